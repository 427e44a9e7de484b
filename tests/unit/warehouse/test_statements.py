"""Only the names of tables are rewritten in a statement, and every result stays the same."""

import json
from collections.abc import Iterator

import duckdb
import pytest

from headrace.warehouse.catalog.reference import column_types
from headrace.warehouse.frames import FOLDER
from headrace.warehouse.statements import InvalidStatement, items, reading, tables_read, truncated_column, with_cte
from headrace.warehouse.tables import Table, all_tables

FILES = {table.qualified: table.sql for table in all_tables()}
FRAMES = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.sql")}
VALUES = {
    "VARCHAR": "'v' || i",
    "BOOLEAN": "i % 2 = 0",
    "DATE": "date '2026-01-01' + (i % 40)::integer",
    "TIMESTAMP WITH TIME ZONE": "timestamptz '2026-01-01 00:00:00Z' + interval 1 hour * i",
}
"""What a row has in a column of a type; numbers are small, everything else is empty."""


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with some rows in every table that a statement may read."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for table, types in column_types().items():
            if table.split(".")[0] not in ("raw", "core", "marts", "meta"):
                continue
            columns = ", ".join(f'({_value(kind)})::{kind} as "{name}"' for name, kind in types.items())
            connection.execute(f"create schema if not exists {table.split('.')[0]}")
            connection.execute(f"create table {table} as select {columns} from range(40) rows (i)")
            connection.execute(f'create temp view "{table}" as from {table}')
        yield connection


def _value(kind: str) -> str:
    is_number = kind in ("TINYINT", "INTEGER", "BIGINT", "DOUBLE", "UBIGINT") or kind.startswith("DECIMAL")
    return VALUES.get(kind, "1 + i % 2" if is_number else "null")


def _over_views(sql: str) -> str:
    return reading(sql, {table: f'temp."{table}"' for table in tables_read(sql)})


@pytest.mark.parametrize("table", all_tables(), ids=lambda table: table.qualified)
def test_a_rewritten_file_gives_the_rows_that_it_gave(table: Table, connection: duckdb.DuckDBPyConnection) -> None:
    rewritten = _over_views(table.sql)
    assert rewritten != table.sql
    before, after = (
        connection.execute(f"select columns(*)::varchar from ({sql}\n) order by all").fetchall()
        for sql in (table.sql, rewritten)
    )
    assert before == after
    # Nothing reads the tables themselves any more.
    assert set(tables_read(rewritten)) == {f"temp.{source}" for source in table.inputs}


def test_the_tables_that_files_read_are_those_that_duckdb_sees() -> None:
    with duckdb.connect() as parser:
        for sql in (*FILES.values(), FRAMES["intent"], FRAMES["sentiment"]):
            (tree,) = parser.execute("select json_serialize_sql(?)", [sql]).fetchall()[0]
            assert tables_read(sql) == tuple(sorted(set(_base_tables(json.loads(tree)))))


def _base_tables(tree: object) -> Iterator[str]:
    if isinstance(tree, dict):
        if tree.get("type") == "BASE_TABLE" and tree["schema_name"]:
            yield f"{tree['schema_name']}.{tree['table_name']}"
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            yield from _base_tables(part)


@pytest.mark.parametrize(
    ("sql", "rewritten"),
    [
        ("select 'core.orders' from core.orders o", "select 'core.orders' from NEW o"),
        ('select 1 as "core.orders" from core.orders o', 'select 1 as "core.orders" from NEW o'),
        ("-- core.orders\nfrom core.orders o -- core.orders", "-- core.orders\nfrom NEW o -- core.orders"),
        ("from core.orders", 'from NEW as "orders"'),
        ("select orders.x from core.orders where y", 'select orders.x from NEW as "orders" where y'),
        ('from "core"."orders" o', "from NEW o"),
        ("from Core.ORDERS o", "from NEW o"),
        ("from lake.core.orders o", "from NEW o"),
        ("from core.orders_of_others o", "from core.orders_of_others o"),
        ("select 'ä€😀' from core.orders o", "select 'ä€😀' from NEW o"),
        (
            "with orders as (from core.orders o) from orders where x in (select x from core.orders as p)",
            "with orders as (from NEW o) from orders where x in (select x from NEW as p)",
        ),
    ],
)
def test_only_names_of_tables_are_rewritten(sql: str, rewritten: str) -> None:
    assert reading(sql, {"core.orders": "NEW"}) == rewritten


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("delete from core.orders", "not a SELECT"),
        ("select 1; select 2", "not one statement"),
        ("selec 1", "not a SELECT"),
        ("select 'x", "not a SELECT"),
        ("select core.orders.x from core.orders", "qualify columns by the table's alias"),
        ("from core.orders at (version => 3)", "as it was"),
    ],
)
def test_what_cannot_be_rewritten_is_rejected(sql: str, complaint: str) -> None:
    with pytest.raises(InvalidStatement, match=complaint):
        tables_read(sql)


def test_lists_are_split_at_commas_outside_of_brackets_and_literals() -> None:
    assert items("a, f(b, c), coalesce(d, ', ('), [e, f], g for 28 days") == (
        "a", "f(b, c)", "coalesce(d, ', (')", "[e, f]", "g for 28 days",
    )  # fmt: skip
    assert items("") == ()


def test_an_expression_is_known_as_a_column_or_as_one_cut_to_a_unit_of_time() -> None:
    assert truncated_column("order_date") == ("order_date", None)
    assert truncated_column("event_time::date") == ("event_time", "day")
    assert truncated_column("date_trunc('month', order_date)::date") == ("order_date", "month")
    assert truncated_column("date_trunc('month', order_date - 62)::date") is None
    assert truncated_column("'orders'") is None


def test_a_cte_is_replaced_and_the_rest_stays() -> None:
    sql = "with a as (select ')' as x), b as materialized (from a where (x = 'a')) from b -- b"
    assert (
        with_cte(sql, "a", "select 1")
        == "with a as (\nselect 1\n), b as materialized (from a where (x = 'a')) from b -- b"
    )
    assert with_cte(sql, "b", "from a") == "with a as (select ')' as x), b as materialized (\nfrom a\n) from b -- b"
