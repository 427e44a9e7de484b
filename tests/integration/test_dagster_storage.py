"""Dagster's storage keeps its connections, notices dead ones, and leaves none behind."""

import dagster as dg
import psycopg

from headrace.contracts.settings import Settings
from headrace.orchestration.instance import config as dagster
from tests.integration.superuser import as_superuser

KEY = dg.AssetKey("table")


def _backends(settings: Settings) -> set[int]:
    with psycopg.connect(as_superuser(settings)) as db:
        found = db.execute("select pid from pg_stat_activity where datname = %s", (dagster.DATABASE,)).fetchall()
    return {pid for (pid,) in found}


def _materialize(instance: dg.DagsterInstance, number: int) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(KEY, metadata={"number": number}))


def _newest(instance: dg.DagsterInstance) -> object:
    event = instance.get_latest_materialization_event(KEY)
    assert event is not None
    assert event.asset_materialization is not None
    return event.asset_materialization.metadata["number"].value


def test_events_go_over_connections_that_are_kept_until_the_instance_is_closed(with_dagster: Settings) -> None:
    with dagster.opened(with_dagster) as instance:
        _materialize(instance, 1)
        before = _backends(with_dagster)
        assert before
        for number in range(2, 6):
            _materialize(instance, number)
        assert _newest(instance) == 5
        assert _backends(with_dagster) == before
    assert not _backends(with_dagster)


def test_a_connection_that_postgresql_ended_is_replaced(with_dagster: Settings) -> None:
    with dagster.opened(with_dagster) as instance:
        _materialize(instance, 1)
        with psycopg.connect(as_superuser(with_dagster), autocommit=True) as db:
            db.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (dagster.DATABASE,))
        _materialize(instance, 2)
        assert _newest(instance) == 2
