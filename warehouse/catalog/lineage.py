"""Column lineage, read from the SQL by sqlglot: within one table and across all of them.

Lineage covers the columns that a value is computed from, not those that filter, join or group rows. A column that only
counts rows has none.
"""

# ruff: noqa: S608  names come from the tables' own files, all quoted

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from headrace.contracts.errors import Terminal
from headrace.warehouse.catalog.reference import column_types
from headrace.warehouse.lake import Lake, quoted
from headrace.warehouse.statements import column_origins
from headrace.warehouse.tables import Table, all_tables

Column = tuple[str, str]
"""A table's name with schema, and the name of its column."""

_CREATE = """
create table meta.lineage (table_name varchar, column_name varchar, input varchar, input_column varchar);
comment on table meta.lineage is 'Which columns of its inputs each column of a table is made from.';
"""


def column_lineage(table: Table, types: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[Column, ...]]:
    """For each column of a table, the columns of its inputs that it is made from. `types` are those of all tables."""
    return column_origins(table.sql, types)


def ensure(lake: Lake) -> None:
    """Create the lineage table if it does not exist."""
    if "meta.lineage" not in lake.columns():
        lake.write(lambda: _create(lake))


def keep(lake: Lake, table: Table) -> None:
    """Store the lineage of a table whose file changed, in the transaction that builds it, since parsing SQL is slow."""
    lake.connection.execute(f"delete from meta.lineage where table_name = {quoted(table.qualified)}")
    rows = [
        f"({quoted(table.qualified)}, {quoted(column)}, {quoted(source)}, {quoted(name)})"
        for column, origins in column_lineage(table, lake.columns()).items()
        for source, name in origins
    ]
    if rows:
        lake.connection.execute(f"insert into meta.lineage values {', '.join(rows)}")


def kept(lake: Lake, table: Table) -> dict[str, tuple[Column, ...]]:
    """The stored lineage of a table."""
    return lake.remembered("lineage", lambda: _read(lake), of="meta.lineage").get(table.qualified, {})


def _read(lake: Lake) -> dict[str, dict[str, tuple[Column, ...]]]:
    rows = lake.connection.execute(
        "select table_name, column_name, input, input_column from meta.lineage order by all"
    ).fetchall()
    read: dict[str, dict[str, tuple[Column, ...]]] = {}
    for table, column, source, name in rows:
        of_table = read.setdefault(table, {})
        of_table[column] = (*of_table.get(column, ()), (source, name))
    return read


def _create(lake: Lake) -> None:
    if "meta.lineage" not in lake.columns():
        lake.connection.execute(_CREATE)
        lake.fence()


@dataclass(frozen=True)
class Node:
    """A column with its upstream or downstream columns."""

    table: str
    column: str
    related: tuple["Node", ...]

    def as_json(self) -> dict[str, Any]:
        return {"column": f"{self.table}.{self.column}", "related": [each.as_json() for each in self.related]}


def trace(name: str, *, downstream: bool = False) -> list[Node]:
    """The lineage of `schema.table.column`, or of every column of `schema.table`, to the raw tables or to the marts.

    Raises:
        Terminal: there is no such table or column.
    """
    schema, _, rest = name.partition(".")
    table, _, column = rest.partition(".")
    qualified = f"{schema}.{table}"
    types = column_types()
    if qualified not in types:
        raise Terminal(f"There is no table {qualified}.", remedy="Give `schema.table` or `schema.table.column`.")
    if column and column not in types[qualified]:
        raise Terminal(f"{qualified} has no column {column}.", remedy=f"It has {', '.join(types[qualified])}.")
    edges = _downstream() if downstream else _upstream()
    return [_node((qualified, each), edges) for each in ([column] if column else types[qualified])]


def _node(column: Column, edges: Mapping[Column, tuple[Column, ...]]) -> Node:
    return Node(*column, tuple(_node(each, edges) for each in edges.get(column, ())))


@cache
def _upstream() -> dict[Column, tuple[Column, ...]]:
    types = column_types()
    return {
        (table.qualified, column): origins
        for table in all_tables()
        for column, origins in column_lineage(table, types).items()
    }


@cache
def _downstream() -> dict[Column, tuple[Column, ...]]:
    made: dict[Column, tuple[Column, ...]] = {}
    for column, origins in _upstream().items():
        for origin in origins:
            made[origin] = (*made.get(origin, ()), column)
    return made
