"""Incidents of operation: a home moved, files missing, PostgreSQL restored, transactions left open."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.operations.reconciliation.stack import reconcile_stack
from headrace.operations.repair import repair
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.health import quiet_admin
from headrace.streaming.runtime.open_transactions import abort, open_transactions
from headrace.warehouse.lake import Lake
from headrace.warehouse.lake.missing_files import find, taken_out
from headrace.warehouse.maintenance.maintain import maintain
from tests.integration.building import build_from
from tests.integration.landed import Landing
from tests.integration.landers import TOPIC, landed_and_registered, landing, mixed, produce
from tests.integration.samples import order
from tests.integration.superuser import as_superuser


def orders(first: int, count: int) -> list[object]:
    return [order(str(number), ("A", 1, "1")) for number in range(first, first + count)]


def count(settings: Settings, table: str) -> int:
    with Lake.open(settings, read_only=True) as lake:
        return lake.value(f"select count(*) from {table}")


def test_a_home_that_was_moved_opens_and_builds_where_it_is_now(fresh: Settings, tmp_path: Path) -> None:
    Landing(fresh).land("orders", orders(0, 5))  # pyright: ignore[reportArgumentType]
    build_from(fresh, "orders")
    moved = fresh.model_copy(update={"home": tmp_path / "elsewhere"})
    shutil.copytree(fresh.root, moved.root)
    with pytest.raises(Terminal, match="of another home"):
        Lake.open(moved)
    shutil.rmtree(fresh.root)
    assert count(moved, "core.orders") == 5
    Landing(moved).land("orders", orders(5, 3))  # pyright: ignore[reportArgumentType]
    assert build_from(moved, "orders", full=True)["core.orders"].rows == 8
    with Lake.open(moved) as lake:
        assert find(lake.postgres()) == []


def test_a_registered_file_that_is_gone_costs_its_own_rows_and_a_name(fresh: Settings) -> None:
    written = Landing(fresh)
    written.land("orders", orders(0, 5))  # pyright: ignore[reportArgumentType]
    gone = written.land("orders", orders(5, 4))  # pyright: ignore[reportArgumentType]
    build_from(fresh, "orders")
    (fresh.landing_root / str(gone)).unlink()
    written.land("orders", orders(9, 2))  # pyright: ignore[reportArgumentType]
    assert build_from(fresh, "orders", full=True)["core.orders"].rows == 7
    with Lake.open(fresh) as lake:
        assert taken_out(lake.postgres()) == [(str(fresh.landing_root / str(gone)), "raw.orders", 4)]
    found = reconcile_stack(fresh, ["orders"])
    assert not found.sound
    assert [name for name in found.missing_files if str(gone) in name]


@pytest.mark.parametrize("damage", ["cut short", "overwritten"])
def test_a_registered_file_that_is_damaged_costs_its_own_rows_and_a_name(fresh: Settings, damage: str) -> None:
    written = Landing(fresh)
    written.land("orders", orders(0, 5))  # pyright: ignore[reportArgumentType]
    bad = fresh.landing_root / str(written.land("orders", orders(5, 4)))  # pyright: ignore[reportArgumentType]
    build_from(fresh, "orders")
    content = bad.read_bytes()
    bad.write_bytes(content[:-9] if damage == "cut short" else bytes(byte ^ 0x5A for byte in content))
    written.land("orders", orders(9, 2))  # pyright: ignore[reportArgumentType]
    assert build_from(fresh, "orders", full=True)["core.orders"].rows == 7
    with Lake.open(fresh) as lake:
        assert taken_out(lake.postgres()) == [(str(bad), "raw.orders", 4)]
        assert "quarantine.groups" not in lake.columns(), "no group of rows is left out in its place"
    assert reconcile_stack(fresh, ["orders"]).missing_files == [f"{bad} (raw.orders, 4 rows)"]
    bad.write_bytes(content)
    assert [file.rows for file in repair(fresh, ["orders"])] == [4]
    assert build_from(fresh, "orders")["core.orders"].rows == 11


def test_a_table_whose_file_is_damaged_is_built_again(fresh: Settings) -> None:
    Landing(fresh).land("orders", orders(0, 5))  # pyright: ignore[reportArgumentType]
    build_from(fresh, "orders")
    for file in (fresh.lake_root / "core" / "orders").rglob("*.parquet"):
        file.write_bytes(file.read_bytes()[:-9])
    assert build_from(fresh, "orders", full=True)["core.orders"].rows == 5


def test_a_damaged_file_that_is_not_registered_yet_costs_its_own_rows_and_a_name(fresh: Settings) -> None:
    written = Landing(fresh)
    written.land("orders", orders(0, 5))  # pyright: ignore[reportArgumentType]
    bad = fresh.landing_root / str(written.land("orders", orders(5, 4)))  # pyright: ignore[reportArgumentType]
    content = bad.read_bytes()
    bad.write_bytes(content[:-9])
    written.land("orders", orders(9, 2))  # pyright: ignore[reportArgumentType]
    assert build_from(fresh, "orders")["core.orders"].rows == 7
    assert build_from(fresh, "orders", full=True)["core.orders"].rows == 7
    found = reconcile_stack(fresh, ["orders"])
    assert not found.sound
    assert found.missing_files == [f"{bad} (raw.orders, 4 rows)"]
    bad.write_bytes(content)
    assert [file.rows for file in repair(fresh, ["orders"])] == [4]
    assert build_from(fresh, "orders")["core.orders"].rows == 11
    assert reconcile_stack(fresh, ["orders"]).missing_files == []


def test_tables_whose_files_are_gone_are_built_again_from_what_landed(fresh: Settings) -> None:
    Landing(fresh).land("orders", orders(0, 5))  # pyright: ignore[reportArgumentType]
    before = build_from(fresh, "orders")
    for folder in ("core", "marts"):
        shutil.rmtree(fresh.lake_root / folder)
    assert [name for name in reconcile_stack(fresh, ["orders"]).missing_files if "core.orders" in name]
    build_from(fresh, "orders", full=True)
    after = build_from(fresh, "orders")
    assert {name: result.rows for name, result in after.items()} == {
        name: result.rows for name, result in before.items()
    }
    with Lake.open(fresh) as lake:
        assert find(lake.postgres()) == []


def test_a_database_restored_to_an_older_state_is_mended_by_repair_and_a_build(fresh: Settings) -> None:
    produce(fresh, mixed(300))
    with landing(fresh):
        landed_and_registered(fresh)
        build_from(fresh, TOPIC)
        kept = f"{fresh.database}_kept"
        with psycopg.connect(as_superuser(fresh), autocommit=True) as db:
            end = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
            db.execute(end, (fresh.database,))
            db.execute(
                sql.SQL("create database {} template {} owner headrace").format(
                    sql.Identifier(kept), sql.Identifier(fresh.database)
                )
            )
        produce(fresh, mixed(300, first=300))
        landed_and_registered(fresh)
        build_from(fresh, TOPIC)
    with Lake.open(fresh) as lake:
        maintain(lake, datetime.now(UTC) + timedelta(hours=3))
        maintain(lake, datetime.now(UTC) + timedelta(days=9))
    restored = fresh.model_copy(update={"database": kept})
    with landing(restored):
        landed_and_registered(restored)
        assert not (before := reconcile_stack(restored)).sound
        assert before.missing_files
        assert [file.rows for file in repair(restored)]
        build_from(restored, TOPIC)
        after = landed_and_registered(restored)
    assert after.complete, after.as_json()
    assert after.total("registered") == 600


def test_an_open_transaction_is_named_with_its_producer_and_can_be_ended(fresh: Settings) -> None:
    key, producer = (TOPIC, 0), clients.producer(fresh, **{"transactional.id": "somebody-elses"})
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(TOPIC, b"1", partition=0)
    producer.flush()
    produce(fresh, mixed(50))
    admin = quiet_admin(fresh)
    (found,) = open_transactions(fresh, admin, [key], patience=0.0)
    assert (found.first_offset, found.transactional_id) == (0, "somebody-elses")
    assert found.producer_id is not None
    assert found.since is not None
    assert abs((datetime.now(UTC) - found.since).total_seconds()) < 60
    assert found.held_back > 1
    assert "abort-transaction" in found.remedy
    abort(fresh, found)
    assert open_transactions(fresh, admin, [key], patience=0.0) == []
    assert open_transactions(fresh, admin, [(TOPIC, 1)], patience=0.0) == []


def test_an_open_transaction_of_a_producer_that_has_committed_before_can_be_ended(fresh: Settings) -> None:
    key, producer = (TOPIC, 0), clients.producer(fresh, **{"transactional.id": "somebody-elses"})
    producer.init_transactions()
    for commits in (True, False):
        producer.begin_transaction()
        producer.produce(TOPIC, b"1", partition=0)
        producer.flush()
        if commits:
            producer.commit_transaction()
    admin = quiet_admin(fresh)
    (found,) = open_transactions(fresh, admin, [key], patience=0.0)
    abort(fresh, found)
    assert open_transactions(fresh, admin, [key], patience=0.0) == []
