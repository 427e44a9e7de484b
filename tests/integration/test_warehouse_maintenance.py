"""Maintenance bounds the lake's size, changes no row, and deletes nothing that a build or a reader needs."""

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg

from headrace.contracts.settings import Settings
from headrace.warehouse.build import build, register
from headrace.warehouse.ingest.raw import registered_accounts
from headrace.warehouse.lake import Lake, watermarks
from headrace.warehouse.maintenance import orphaned_files
from headrace.warehouse.maintenance.maintain import maintain, storage
from headrace.warehouse.query import run
from tests.integration.building import build_from, tables_from
from tests.integration.landed import Landing
from tests.integration.month import simulate
from tests.integration.samples import at, order

DAYS, BATCHES_A_DAY = 30, 2


def test_a_month_of_batches_leaves_few_files_and_few_bytes(fresh: Settings) -> None:
    history = list(simulate(fresh, days=DAYS, batches_a_day=BATCHES_A_DAY))
    files, sizes = [each.after.files for each in history], [each.after.bytes for each in history]
    print(f"\nfiles by day: {files}\nlive files: {history[-1].after.live_files}\nbytes by day: {sizes}")
    batches = DAYS * BATCHES_A_DAY
    # The steady state: what a day of history needs, however many days have passed.
    assert max(files[10:]) <= max(files[:10]) * 1.5
    live = [each.after.live_files for each in history]
    assert live[-1] < DAYS + 20, "a file a day of orders, and a few for everything else"
    # 20 orders a batch in three tables are some 15 kB of content a day when merged.
    assert sizes[-1] - sizes[9] < (DAYS - 10) * 40_000
    assert max(each.after.snapshots for each in history) < 8 * 24
    orders = batches * 20
    with Lake.open(fresh) as lake:
        assert lake.value("select (count(*), count(distinct _offset)) from raw.orders") == (orders, orders)
        assert lake.value("select sum(revenue) from marts.sales_daily") == Decimal("2.5") * orders
        (account,) = registered_accounts(lake, "orders")
        assert list(account.offsets) == list(range(orders))
        for table in tables_from("orders"):
            build(lake, table.qualified)
            full = build(lake, table.qualified, full=True)
            assert (full.inserted, full.updated, full.deleted) == (0, 0, 0), table.qualified
    # The landed files went into DuckLake's: what is left of them are those of the last day.
    assert sum(1 for _ in fresh.landing_root.rglob("*.parquet")) <= 2 * BATCHES_A_DAY


def test_a_build_after_maintenance_still_reads_only_what_changed(fresh: Settings) -> None:
    landing = Landing(fresh)
    for number in range(6):
        landing.land("orders", [order(str(number), ("A", 1, "2.50"), time=at(days=number % 2))])
        build_from(fresh, "orders")
    landing.land("orders", [order("unread", ("A", 1, "1.00"))])
    with Lake.open(fresh) as lake:
        register(lake, "orders")  # and core.orders has not read it
        lowest = min(mark.snapshot_id for mark in watermarks.read(lake, "core.orders").values())
        done = maintain(lake, datetime.now(UTC) + timedelta(days=300))
        assert done.rebuilt == ()
        assert lake.value("select min(snapshot_id) from ducklake_snapshots('lake')") <= lowest
        assert done.merged_files > 0
    results = build_from(fresh, "orders")
    assert (results["core.orders"].inserted, results["core.orders"].updated) == (1, 0)
    written = [each for each in build_from(fresh, "orders", full=True).values() if each.updated or each.deleted]
    assert written == []


def test_a_table_that_lags_beyond_the_cap_is_built_in_full_and_keeps_no_snapshot(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.50"))])
    build_from(fresh, "orders")
    with psycopg.connect(fresh.conninfo(), autocommit=True) as catalog:
        catalog.execute("update ducklake.ducklake_snapshot set snapshot_time = snapshot_time - interval '8 days'")
    landing.land("orders", [order("2", ("A", 1, "7.50"))])
    with Lake.open(fresh) as lake:
        register(lake, "orders")
        kept = storage(lake).snapshots
        done = maintain(lake)
        assert "core.orders" in done.rebuilt
        assert done.after.snapshots < kept
    build_from(fresh, "orders")
    assert run(fresh, "select sum(revenue) from marts.sales_daily").rows == [(10,)]


def test_every_snapshot_of_the_last_day_is_kept(fresh: Settings) -> None:
    landing = Landing(fresh)
    for number in range(3):
        landing.land("orders", [order(str(number), ("A", 1, "2.50"))])
        build_from(fresh, "orders")
    with Lake.open(fresh) as lake:
        first = lake.value("select min(snapshot_id) from ducklake_snapshots('lake') where snapshot_id > 20")
        assert maintain(lake).expired_snapshots == 0
        assert maintain(lake, datetime.now(UTC) + timedelta(hours=23)).expired_snapshots == 0
        assert lake.value(f"select count(*) from marts.sales_daily at (version => {first})") >= 0


def test_only_a_landed_file_without_commit_is_deleted_an_hour_after_it_was_seen(fresh: Settings) -> None:
    landing = Landing(fresh)
    committed = landing.land("orders", [order("1", ("A", 1, "2.50"))])
    orphan = fresh.landing_root / "orders" / "dt=2026-01-01" / "hr=00" / "killed.parquet"
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"half a fi")
    os.utime(orphan, (0, 0))  # independent of the file system's clock
    with Lake.open(fresh) as lake:
        assert orphaned_files.delete_uncommitted(lake) == 0
        assert orphan.exists()
        with psycopg.connect(fresh.conninfo(), autocommit=True) as db:
            db.execute("update landing.uncommitted_files set first_seen = first_seen - interval '61 minutes'")
        late = orphan.with_name("late.parquet")
        late.write_bytes(b"just written")
        assert orphaned_files.delete_uncommitted(lake) == 1
    assert not orphan.exists()
    assert late.exists()
    assert (fresh.landing_root / str(committed)).exists()
    build_from(fresh, "orders")
