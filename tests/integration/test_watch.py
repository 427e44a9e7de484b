"""A watching builder updates the marts within seconds, survives a PostgreSQL crash and reports to Dagster."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from dagster import AssetCheckEvaluation, AssetMaterialization, DagsterInstance
from sqlalchemy.exc import OperationalError

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.orchestration.instance import config as dagster
from headrace.orchestration.keys import FILE_KEY, table_key
from headrace.orchestration.watch import watch
from headrace.warehouse.lake import Lake
from headrace.warehouse.lake.lock import is_watched
from tests.integration.conftest import ServerControl
from tests.integration.landed import Landing
from tests.integration.samples import order

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 150.0


@pytest.fixture
def watcher(with_dagster: Settings) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts `headrace build --watch` on the test's stack; processes that still run at the end are killed."""
    own = with_dagster.environment()
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "headrace", "build", "--watch"],
                env=os.environ | own | {"PYTHONPATH": str(ROOT)},
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait(condition: Callable[[], bool], what: str, process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert process is None or process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.2)


def orders(settings: Settings) -> int:
    try:
        with Lake.open(settings, read_only=True) as lake:
            return lake.value("select coalesce(sum(orders), 0)::bigint from marts.sales_daily")
    except Exception:  # noqa: BLE001  not built yet, or PostgreSQL is unavailable: both are temporary
        return -1


@pytest.mark.timeout(500)
def test_landed_records_are_built_and_reported_also_after_postgresql_was_killed(
    fresh: Settings, watcher: Callable[[], subprocess.Popen[str]], server_control: ServerControl
) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.50"))])
    process = watcher()
    wait(lambda: orders(fresh) == 1, "the first build", process)
    assert is_watched(fresh.conninfo())
    with pytest.raises(Terminal, match="watching already"):
        watch(fresh, Event(), lambda _: None)
    landing.land("orders", [order("2", ("A", 1, "2.50"))])
    wait(lambda: orders(fresh) == 2, "the second build", process)
    server_control.kill9("postgres")
    server_control.wait_until_up("postgres")
    landing.land("orders", [order("3", ("A", 1, "2.50"))])
    wait(lambda: orders(fresh) == 3, "the build after PostgreSQL came back", process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert not is_watched(fresh.conninfo())
    with dagster.opened(fresh) as instance:
        for key in (table_key("raw.orders"), table_key("marts.sales_daily"), FILE_KEY):
            event = instance.get_latest_materialization_event(key)
            assert event is not None, key
        reported = instance.fetch_materializations(table_key("raw.orders"), limit=10).records
        inserted = [each.asset_materialization.metadata["inserted"].value for each in reported
                    if each.asset_materialization]  # fmt: skip
        assert sum(int(str(count)) for count in inserted) == 3


@pytest.mark.timeout(500)
def test_how_long_records_took_is_measured_and_is_a_mart(with_dagster: Settings) -> None:
    stop, printed = Event(), list[str]()
    landing = Landing(with_dagster)
    landing.land("orders", [order("1", ("A", 1, "2.50"))])
    watching = Thread(target=watch, args=(with_dagster, stop, printed.append))
    watching.start()
    try:
        wait(lambda: orders(with_dagster) == 1, "the first build")
        landing.land("orders", [order(str(number), ("A", 1, "2.50")) for number in range(2, 12)])
        wait(lambda: orders(with_dagster) == 11, "the second build")
        landing.land("orders", [order("last", ("A", 1, "2.50"))])
        wait(lambda: measured(with_dagster) >= 10, "the measurement in the mart")
    finally:
        stop.set()
        watching.join()
    assert any("records" in line for line in printed)


def test_reports_that_failed_on_a_lost_connection_to_dagster_are_sent_later(
    with_dagster: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, lost = Event(), list[bool]()
    report = DagsterInstance.report_runless_asset_event

    def lose_the_first(instance: DagsterInstance, event: AssetMaterialization | AssetCheckEvaluation) -> None:
        if not lost:
            lost.append(True)
            raise OperationalError("insert", {}, Exception("server closed the connection unexpectedly"))
        report(instance, event)

    monkeypatch.setattr(DagsterInstance, "report_runless_asset_event", lose_the_first)
    Landing(with_dagster).land("orders", [order("1", ("A", 1, "2.50"))])
    watching = Thread(target=watch, args=(with_dagster, stop, lambda _: None))
    watching.start()
    try:
        with dagster.opened(with_dagster) as instance:
            for key in (table_key("raw.orders"), table_key("marts.sales_daily"), FILE_KEY):
                wait(lambda key=key: instance.get_latest_materialization_event(key) is not None, f"{key} in Dagster")
    finally:
        stop.set()
        watching.join()
    assert lost


def measured(settings: Settings) -> int:
    with Lake.open(settings, read_only=True) as lake:
        if "marts.mart_freshness" not in lake.columns():
            return 0
        row = lake.connection.execute(
            "select coalesce(sum(records), 0)::bigint, bool_and(p50_s <= p95_s and p95_s <= max_s)"
            " from marts.mart_freshness where topic = 'orders'"
        ).fetchall()[0]
        assert row[1] in (True, None)
        return row[0]
