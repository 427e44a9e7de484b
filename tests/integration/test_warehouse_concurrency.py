"""Builds are serialized, readers never wait, and a killed build has no effect. With real processes."""

import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import duckdb
import psycopg
import pytest

from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.warehouse.build import build, register
from headrace.warehouse.incremental.checks import unique_key
from headrace.warehouse.lake import METADATA_SCHEMA, Lake
from headrace.warehouse.lake.connection import INDEX
from headrace.warehouse.publication.publish import publish
from headrace.warehouse.query import run
from headrace.warehouse.tables import table
from tests.integration.building import build_from, start_building, tables_from
from tests.integration.landed import Landing
from tests.integration.samples import at, hit, order
from tests.integration.superuser import as_superuser

TOPICS = ("orders", "web_logs")
ORDERS_PER_FLUSH = 200


def land(landing: Landing, flush: int) -> None:
    """Orders worth 1,000 in all and as many web events, on ten days."""
    numbers = range(flush * ORDERS_PER_FLUSH, (flush + 1) * ORDERS_PER_FLUSH)
    landing.land("orders", [order(str(n), ("A", 2, "1.25"), ("B", 1, "2.50"), time=at(days=n % 10)) for n in numbers])
    landing.land("web_logs", [hit(f"e{n}", time=at(days=n % 10), visitor_id=f"V{n % 20}") for n in numbers])


def assert_all_there_once(settings: Settings, flushes: int) -> None:
    with Lake.open(settings, read_only=True) as lake:
        for topic in TOPICS:
            counts = f"select (count(*), count(distinct _offset)) from raw.{topic}"
            assert lake.value(counts) == (flushes * ORDERS_PER_FLUSH,) * 2
        assert lake.value("select sum(revenue) from marts.sales_daily") == Decimal(1000 * flushes)
        assert lake.value("select count(*) from core.web_events") == flushes * ORDERS_PER_FLUSH
        for each in tables_from(*TOPICS):
            assert unique_key(lake, each, each.qualified).passed, each.qualified


def finish(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        _, stderr = process.communicate(timeout=200)
        assert process.returncode == 0, stderr


def test_three_builds_at_once_on_an_empty_lake_register_and_build_everything_once(fresh: Settings) -> None:
    landing = Landing(fresh)
    for flush in range(2):
        land(landing, flush)
    finish([start_building(fresh, *TOPICS) for _ in range(3)])
    assert_all_there_once(fresh, 2)


def test_a_build_killed_anywhere_loses_and_repeats_nothing(fresh: Settings) -> None:
    landing = Landing(fresh)
    chance = random.Random(7)
    flushes = 5
    for flush in range(flushes):
        land(landing, flush)
        builder = start_building(fresh, *TOPICS)
        try:
            builder.communicate(timeout=chance.uniform(1.5, 8.0))
        except subprocess.TimeoutExpired:
            builder.send_signal(signal.SIGKILL)
            builder.communicate()
    finish([start_building(fresh, *TOPICS)])
    assert_all_there_once(fresh, flushes)


@contextmanager
def reading(settings: Settings) -> Iterator[list[tuple[int, Decimal | None]]]:
    """Reads orders and the mart's revenue in a loop during the block. Raises the reader's errors."""
    seen: list[tuple[int, Decimal | None]] = []
    errors: list[Exception] = []
    done = threading.Event()

    def read() -> None:
        try:
            with Lake.open(settings, read_only=True) as lake:
                while not done.is_set():
                    seen.append(lake.value("select (count(*), sum(revenue)) from marts.sales_daily"))
        except Exception as error:  # noqa: BLE001  reported by the test's own thread
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield seen
    finally:
        done.set()
        reader.join()
    assert errors == []


def test_readers_meet_no_lock_and_no_half_built_table(fresh: Settings) -> None:
    landing = Landing(fresh)
    land(landing, 0)
    build_from(fresh, *TOPICS)
    with reading(fresh) as seen:
        for flush in range(1, 4):
            land(landing, flush)
            finish([start_building(fresh, *TOPICS)])
        with Lake.open(fresh) as lake:
            build(lake, "marts.sales_daily", full=True)
    assert len(seen) > 20
    assert {days for days, _ in seen} == {10}
    assert {revenue for _, revenue in seen} <= {Decimal(1000 * n) for n in range(1, 5)}


def test_a_writer_without_the_lock_cannot_commit_beside_another(fresh: Settings) -> None:
    land(Landing(fresh), 0)
    with Lake.open(fresh) as one, Lake.open(fresh) as other:
        register(one, "orders")
        build(one, "core.orders")

        def write_beside() -> None:
            with other.transaction():
                assert other.value("select count(*) from core.orders") == ORDERS_PER_FLUSH
                other.fence()
                build(one, "core.orders", full=True)

        with pytest.raises(Transient, match="at the same time"):
            write_beside()
        assert build(other, "core.orders", full=True).rows == ORDERS_PER_FLUSH


def test_a_build_that_loses_postgresql_between_steps_continues(fresh: Settings) -> None:
    land(Landing(fresh), 0)
    with Lake.open(fresh) as lake:
        register(lake, "orders")
        end_connections(fresh)
        assert build(lake, "core.orders").rows == ORDERS_PER_FLUSH


def test_every_error_of_duckdb_after_a_lost_postgresql_is_recognized(fresh: Settings) -> None:
    with Lake.open(fresh) as lake:

        def lose_postgresql() -> None:
            with lake.transaction():
                lake.columns()
                end_connections(fresh)
                raise duckdb.TransactionException("Current transaction is aborted (please ROLLBACK)")

        with pytest.raises(Transient, match="does not answer"):
            lose_postgresql()
        lake.postgres()
        with pytest.raises(duckdb.BinderException), lake.transaction():
            lake.value("select nothing")


def end_connections(settings: Settings) -> None:
    with psycopg.connect(as_superuser(settings), autocommit=True) as postgres:
        postgres.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [settings.database]
        )


def test_a_waiting_builder_gets_the_lock_when_its_holder_is_killed(fresh: Settings) -> None:
    land(Landing(fresh), 0)
    with Lake.open(fresh) as lake, lake.lock.held():
        waiting = start_building(fresh, *TOPICS)
        time.sleep(3)
        assert waiting.poll() is None
    finish([waiting])
    assert_all_there_once(fresh, 1)


def test_the_published_file_is_one_snapshot_and_readers_of_the_old_one_continue(fresh: Settings) -> None:
    landing = Landing(fresh)
    land(landing, 0)
    build_from(fresh, *TOPICS)
    with Lake.open(fresh) as lake:
        first = publish(fresh, lake)
        old = duckdb.connect(str(fresh.warehouse_file), read_only=True)
        land(landing, 1)
        build_from(fresh, *TOPICS)
        second = publish(fresh, lake)
    revenue = "select sum(revenue), (select sum(units_sold) from core.products) from marts.sales_daily"
    assert old.execute(revenue).fetchone() == (Decimal(1000), 600)
    old.close()
    with duckdb.connect(str(fresh.warehouse_file), read_only=True) as new:
        assert new.execute(revenue).fetchone() == (Decimal(2000), 1200)
        assert new.execute("select snapshot_id from published").fetchone() == (second.snapshot,)
        comment = "select comment from duckdb_columns() where table_name = 'sales_daily' and column_name = 'revenue'"
        assert new.execute(comment).fetchone() == (table("marts.sales_daily").columns["revenue"],)
    assert second.snapshot > first.snapshot
    assert second.bytes == fresh.warehouse_file.stat().st_size
    assert [path.name for path in fresh.root.glob("*warehouse*")] == ["warehouse.duckdb"]


def test_a_query_before_the_first_build_is_an_error_that_names_the_command(fresh: Settings) -> None:
    from headrace.contracts.errors import Terminal

    with pytest.raises(Terminal, match="headrace build"):
        run(fresh, "select 1")


def test_few_new_rows_are_built_on_one_thread_and_whole_tables_on_all(
    fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.warehouse.lake.connection.THREADS", 2)
    landing = Landing(fresh)
    land(landing, 0)
    with Lake.open(fresh) as lake:

        def threads() -> int:
            return int(lake.value("select current_setting('threads')"))

        register(lake, "orders")
        assert threads() == 1
        with lake.all_threads():
            assert threads() == 2
        assert threads() == 1
        monkeypatch.setattr("headrace.warehouse.lake.connection.MANY_ROWS", ORDERS_PER_FLUSH)
        land(landing, 1)
        register(lake, "orders")
        assert threads() == 2


def test_a_catalog_without_the_index_of_statistics_gets_it_and_keeps_working(fresh: Settings) -> None:
    index = f"{METADATA_SCHEMA}.{INDEX}"
    with Lake.open(fresh), psycopg.connect(fresh.conninfo(), autocommit=True) as db:
        assert db.execute("select to_regclass(%s)", [index]).fetchone() != (None,)
        db.execute(f"drop index {index}")
    land(Landing(fresh), 0)
    build_from(fresh, *TOPICS)
    assert_all_there_once(fresh, 1)
    with psycopg.connect(fresh.conninfo()) as db:
        assert db.execute("select to_regclass(%s)", [index]).fetchone() != (None,)
