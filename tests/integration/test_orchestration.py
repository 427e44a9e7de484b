"""Builds by Dagster, once in process, on the real PostgreSQL: their tables, their reports and their failures."""

from collections.abc import Sequence

import dagster as dg
import duckdb
import pytest

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.orchestration.definitions import build_defs
from headrace.orchestration.defs.jobs import VERIFY_JOB
from headrace.orchestration.instance.config import opened
from headrace.orchestration.keys import FILE_KEY, table_key, topic_key
from headrace.orchestration.run import build
from headrace.streaming.runtime.clients import producer
from headrace.warehouse.incremental import engine
from headrace.warehouse.incremental.checks import checks_of
from headrace.warehouse.incremental.engine import Built, bring_up_to_date
from headrace.warehouse.ingest import raw
from headrace.warehouse.ingest.connect_staging import STAGED_TABLES
from headrace.warehouse.ingest.raw import raw_tables
from headrace.warehouse.lake import Lake
from headrace.warehouse.tables import Table, all_tables
from tests.integration.landed import Landing
from tests.integration.samples import at, customer, feedback, order, post


@pytest.fixture
def landing(with_dagster: Settings) -> Landing:
    """Some events of both cases, landed. Dagster's database is new."""
    landed = Landing(with_dagster)
    landed.land("customers", [customer("C1")])
    landed.land("orders", [order("1", ("A", 2, "2.50")), order("2", ("B", 1, "4.00"), time=at(days=1))])
    landed.land("customer_feedback", [feedback("F1")], quarantined=1)
    landed.land("social_media", [post("P1")])
    return landed


def _latest(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, object]:
    event = instance.get_latest_materialization_event(key)
    assert event is not None
    assert event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_a_build_makes_every_table_and_dagster_shows_its_rows_columns_and_checks(
    fresh: Settings, landing: Landing
) -> None:
    printed: list[str] = []
    summary = build(fresh, echo=printed.append)
    assert summary.success, summary
    assert set(summary.rows_by_table) == {t.qualified for t in (*raw_tables(), *all_tables())} | STAGED_TABLES.keys()
    assert (summary.rows_by_table["raw.orders"], summary.rows_by_table["core.order_lines"]) == (2, 2)
    assert len(printed) == len(summary.rows_by_table) + 1
    with opened(fresh) as instance:
        orders = _latest(instance, table_key("core.orders"))
        assert (orders["dagster/row_count"], orders["inserted"], orders["updated"], orders["deleted"]) == (2, 2, 0, 0)
        columns = orders["dagster/column_schema"]
        assert isinstance(columns, dg.TableSchema)
        assert all(column.description for column in columns.columns)
        run = instance.get_run_by_id(summary.run_id)
        assert run is not None
        assert (run.job_name, run.status) == ("build", dg.DagsterRunStatus.SUCCESS)
        checks = [
            each.dagster_event for each in instance.all_logs(run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        ]
        own = [check for table in all_tables() for check in (*checks_of(table), *table.references)]
        assert len(checks) == len(own) + len(STAGED_TABLES)
        assert _latest(instance, FILE_KEY)["path"] == str(fresh.warehouse_file)
    with duckdb.connect(str(fresh.warehouse_file), read_only=True) as file:
        assert file.execute("select sum(revenue) from marts.sales_daily").fetchone() == (9,)


def test_a_second_build_writes_only_what_landed_since(fresh: Settings, landing: Landing) -> None:
    build(fresh)
    landing.land("orders", [order("3", ("A", 1, "2.50"), time=at(days=2))])
    summary = build(fresh)
    assert summary.success
    with opened(fresh) as instance:
        written = {
            name: sum(int(str(_latest(instance, table_key(name))[kind])) for kind in ("inserted", "updated", "deleted"))
            for name in ("raw.orders", "core.orders", "marts.sales_daily", "core.feedback", "marts.feedback_daily")
        }
    assert written == {
        "raw.orders": 1,
        "core.orders": 1,
        "marts.sales_daily": 1,
        "core.feedback": 0,
        "marts.feedback_daily": 0,
    }


def test_a_full_build_gives_the_same_rows(fresh: Settings, landing: Landing) -> None:
    assert build(fresh, full=True).rows_by_table == build(fresh).rows_by_table


def test_a_failed_build_names_every_table_that_failed_and_builds_the_others(
    fresh: Settings, landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    register, failing = raw.register, {"orders", "social_media"}

    def register_or_fail(lake: Lake, topics: Sequence[str]) -> dict[str, int]:
        if failing.intersection(topics):
            raise Terminal("The disk is missing.", remedy="Mount it.")
        return register(lake, topics)

    monkeypatch.setattr(raw, "register", register_or_fail)
    printed: list[str] = []
    summary = build(fresh, echo=printed.append)
    assert not summary.success
    assert summary.failed == ("raw.orders", "raw.social_media")
    assert {"core.orders", "marts.sales_daily", "core.posts"} <= set(summary.skipped)
    assert "warehouse_file" not in summary.skipped
    assert fresh.warehouse_file.is_file()
    assert summary.rows_by_table["core.feedback"] == 1
    assert [line.split(":")[0] for line in printed if "missing" in line] == ["raw.orders", "raw.social_media"]


def test_a_build_in_which_a_mart_fails_publishes_the_others(
    fresh: Settings, landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(lake: Lake, tables: Sequence[Table], *, full: bool, leave_out_failing: bool = False) -> list[Built]:
        if any(each.qualified == "marts.sales_daily" for each in tables):
            raise Terminal("Broken.", remedy="Mend it.")
        return bring_up_to_date(lake, tables, full=full)

    assert build(fresh).success
    landing.land("orders", [order("3", ("A", 1, "2.50"), time=at(days=2))])
    monkeypatch.setattr(engine, "bring_up_to_date", failing)
    summary = build(fresh)
    assert (summary.success, summary.failed, summary.skipped) == (
        False,
        ("marts.sales_daily",),
        ("marts.model_performance",),
    )
    with duckdb.connect(str(fresh.warehouse_file), read_only=True) as file:
        query = "select table_name, reason from main.published_tables where not is_current order by all"
        assert file.execute(query).fetchall() == [
            ("marts.model_performance", "reads marts.sales_daily"),
            ("marts.sales_daily", "Broken. Mend it."),
        ]
        assert file.execute("select max(sale_date) from marts.product_trends").fetchone() == (at(days=2).date(),)
    with opened(fresh) as instance:
        assert "marts.sales_daily" in str(_latest(instance, FILE_KEY)["behind"])


def test_only_what_is_selected_is_built_and_an_unknown_name_is_refused(fresh: Settings, landing: Landing) -> None:
    assert set(build(fresh, select=["raw.orders"]).rows_by_table) == {"raw.orders"}
    with pytest.raises(Terminal, match=r"core\.nothing"):
        build(fresh, select=["core.nothing"])


def test_a_verification_in_dagster_warns_of_a_topic_that_has_not_landed_yet(fresh: Settings, landing: Landing) -> None:
    build(fresh, select=["raw.orders"])
    sender = producer(fresh)
    sender.produce("orders", b"{}")
    sender.flush(20)
    with opened(fresh) as instance:
        result = build_defs(fresh).resolve_job_def(VERIFY_JOB).execute_in_process(instance=instance)
    outcomes = {each.asset_key: each for each in result.get_asset_check_evaluations()}
    assert set(outcomes) == {topic_key(name) for name in TOPICS}
    behind = outcomes.pop(topic_key("orders"))
    assert (behind.passed, behind.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert all(each.passed for each in outcomes.values())


def test_the_lake_is_closed_when_an_asset_raises(fresh: Settings, landing: Landing) -> None:
    opened_lakes: list[Lake] = []

    @dg.asset
    def broken(lake: dg.ResourceParam[Lake]) -> None:
        opened_lakes.append(lake)
        raise ValueError("made to fail")

    resources = build_defs(fresh).resources
    assert not dg.materialize([broken], resources=resources, raise_on_error=False).success
    with pytest.raises(duckdb.ConnectionException):
        opened_lakes[0].connection.execute("select 1")
