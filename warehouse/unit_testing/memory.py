"""A lake in memory, without PostgreSQL and files, for building one table from a few rows.

The engine reads the changes of a lake from its change cache, which holds all of them here. What needs DuckLake
(transactions, partitions, watermarks, time travel) does not work.
"""

# ruff: noqa: S608  names come from the tables' own files

from typing import TYPE_CHECKING, cast

import duckdb
import psycopg

from headrace.warehouse.lake import CATALOG, Lake, change_cache

if TYPE_CHECKING:
    from headrace.contracts.settings import Settings


class MemoryLake(Lake):
    """An empty lake. `snapshot` counts the calls of `insert`."""

    def __init__(self) -> None:
        connection = duckdb.connect(
            config={"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False}
        )
        super().__init__(cast("Settings", None), connection)
        self.connection.execute("set timezone = 'UTC'")
        self.connection.execute(f"attach ':memory:' as {CATALOG}; use {CATALOG}")
        self._number = 0
        self._changed: dict[str, int] = {}

    def postgres(self) -> psycopg.Connection:
        raise AssertionError("a lake in memory has no catalog in PostgreSQL")

    def snapshot(self) -> int:
        return self._number

    def columns(self) -> dict[str, dict[str, str]]:
        return self._columns()

    def is_empty(self, table: str) -> bool:
        return table not in self.columns() or not self.value(f"select exists (from {table})")

    def last_changes(self) -> dict[str, int]:
        return self._changed

    def create(self, table: str, types: dict[str, str]) -> None:
        """Create an empty table."""
        self.connection.execute(f"create schema if not exists {table.split('.', maxsplit=1)[0]}")
        declared = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
        self.connection.execute(f"create table {table} ({declared})")

    def insert(self, rows: dict[str, str]) -> None:
        """Insert the rows of queries, by table, as one snapshot."""
        for table, query in rows.items():
            change_cache.keep(self, table, query, self.value(f"select count(*) from ({query})"))
            self.connection.execute(f"insert into {table} {query}")
        self._number += 1
        self._changed |= dict.fromkeys(rows, self._number)
