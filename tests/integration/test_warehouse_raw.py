"""Registration: every committed file once, with its contract's columns, and no altered one."""

import itertools
from decimal import Decimal

import pytest

from headrace.contracts.settings import Settings
from headrace.operations.repair import repair
from headrace.warehouse.build import register
from headrace.warehouse.ingest import raw, unregistered_files
from headrace.warehouse.lake import Lake, change_cache
from tests.integration.landed import Landing
from tests.integration.samples import order


def test_landed_files_are_registered_once_where_they_lie(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 2, "2.55")), None], quarantined=3)
    with Lake.open(fresh) as lake:
        assert register(lake, "orders").inserted == 2
        landing.land("orders", [order("2")], partition=1)
        landing.land("orders", [order("3")], quarantined=1, partition=1)
        assert [register(lake, "orders").inserted, register(lake, "orders").rows] == [2, 4]
        assert lake.value("select sum(line.unit_price) from (select unnest(lines) as line from raw.orders)") == Decimal(
            "2.55"
        )
        assert lake.value("select count(*) from raw.orders_quarantine where _value = '\\xFF{'::blob") == 4
        offsets = raw.registered_offsets(lake, "orders")
        assert offsets.num_rows == 8
        assert offsets["quarantined"].to_pylist().count(True) == 4
        accounts = raw.registered_accounts(lake, "orders")
    assert [(a.partition, a.position, a.offsets.tolist(), a.quarantined) for a in accounts] == [
        (0, 5, [0, 1, 2, 3, 4], 3),
        (1, 3, [0, 1, 2], 1),
    ]
    assert not any((fresh.lake_root / "raw").rglob("*.parquet"))


def test_a_recreated_topic_begins_at_zero_again(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1"), order("2")])
    with Lake.open(fresh) as lake:
        register(lake, "orders")
        landing.recreate("orders")
        landing.land("orders", [order("3")])
        assert register(lake, "orders").inserted == 1
        assert len(raw.registered_accounts(lake, "orders")) == 2


def test_a_missing_or_altered_file_is_not_registered_and_is_named(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1")])
    altered, gone = (str(landing.land("orders", [order(number)], quarantined=1)) for number in ("2", "3"))
    content = (fresh.landing_root / altered).read_bytes()
    (fresh.landing_root / altered).write_bytes(content[:-1] + b"x")
    (fresh.landing_root / gone).unlink()
    with Lake.open(fresh) as lake:
        assert register(lake, "orders").inserted == 1
        assert lake.value("select count(*) from raw.orders_quarantine") == 2
        assert [(path, rows) for path, _, rows in unregistered_files.listed(lake)] == [
            (str(fresh.landing_root / path), 1) for path in (altered, gone)
        ]
        assert register(lake, "orders").inserted == 0
        (fresh.landing_root / altered).write_bytes(content)
    assert [file.path for file in itertools.islice(repair(fresh, ()), 1)] == [altered]
    with Lake.open(fresh) as lake:
        assert lake.value("select count(*) from raw.orders") == 2
        assert [path for path, _, _ in unregistered_files.listed(lake)] == [str(fresh.landing_root / gone)]


@pytest.mark.parametrize("damage", ["removed", "cut short", "appended to"])
def test_a_registered_file_that_was_damaged_is_named_and_the_rest_is_accounted_for(
    fresh: Settings, damage: str
) -> None:
    landing = Landing(fresh)
    paths = [landing.land("orders", [order(str(number))], quarantined=1) for number in range(3)]
    file = fresh.landing_root / str(paths[1])
    with Lake.open(fresh) as lake:
        register(lake, "orders")
        content = file.read_bytes()
        file.unlink()
        if damage != "removed":
            file.write_bytes(content[:-1] if damage == "cut short" else content + b"x")
        (account,) = raw.registered_accounts(lake, "orders")
        assert account.offsets.tolist() == [0, 1, 3, 4, 5]
        assert account.damaged == (str(file),)
        file.write_bytes(content)
        (account,) = raw.registered_accounts(lake, "orders")
        assert (account.offsets.tolist(), account.damaged) == ([0, 1, 2, 3, 4, 5], ())


def test_a_column_that_a_contract_gains_is_added(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", country="France")])
    with Lake.open(fresh) as lake:
        raw.ensure(lake)
        lake.connection.execute("alter table raw.orders drop column country")
        lake.is_prepared = False
        result = register(lake, "orders")
        columns = {name: (kind, about) for name, kind, about in result.columns}
        assert columns["country"] == ("VARCHAR", "Country of the customer.")
        assert lake.value("select country from raw.orders") == "France"


def test_the_rows_registered_last_are_those_of_the_lake_even_without_a_column(
    fresh: Settings,
) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("0")])
    with Lake.open(fresh) as lake:
        register(lake, "orders")
        before = lake.snapshot()
        landing.land("orders", [order("1", ("A", 3, "2.55"), country="France"), order("2")])
        landing.land("orders", [order("3", ("B", 1, "0.10"))])
        lake.connection.execute("alter table raw.orders add column later varchar")
        register(lake, "orders")
        since = lake.last_changes()["raw.orders"] - 1
        kept = change_cache.changes(lake, "raw.orders", since, lake.snapshot())
        assert kept is not None
        assert change_cache.changes(lake, "raw.orders", before - 1, lake.snapshot()) is None
        columns = ", ".join(f'"{name}"' for name in lake.columns()["raw.orders"])
        insertions = f"ducklake_table_insertions('lake', 'raw', 'orders', {since + 1}, {lake.snapshot()})"
        query = "select {} from {} order by order_id"
        expected = lake.connection.execute(query.format(columns, insertions))
        types, rows = expected.description, expected.fetchall()
        found = lake.connection.execute(query.format("*", kept))
        assert (found.description, found.fetchall()) == (types, rows)
        assert [row[-1] for row in rows] == [None] * 3


def test_every_raw_table_and_column_is_commented(fresh: Settings) -> None:
    with Lake.open(fresh) as lake:
        raw.ensure(lake)
        silent = "select count(*) from duckdb_columns() where schema_name = 'raw' and coalesce(comment, '') = ''"
        assert lake.value(silent) == 0
        assert lake.value("select count(*) from duckdb_tables() where schema_name = 'raw' and comment is null") == 0
