"""The types of the columns of every table that a table can read, without a lake: from the contracts and the SELECTs."""

from functools import cache

import pyarrow as pa

from headrace.warehouse.ingest import connect_staging
from headrace.warehouse.ingest.raw import declared_schemas
from headrace.warehouse.lake.watermarks import FRESHNESS, FRESHNESS_COLUMNS
from headrace.warehouse.tables import all_tables
from headrace.warehouse.unit_testing.memory import MemoryLake


class Types:
    """Types by column, of the tables asked for and those that they read."""

    def __init__(self) -> None:
        self._lake = MemoryLake()
        self._raw: dict[str, pa.Schema] = {name: schema for name, schema, _ in declared_schemas()}
        self._tables = {each.qualified: each for each in all_tables()}
        self._known: dict[str, dict[str, str]] = {}

    def of(self, name: str) -> dict[str, str]:
        """The types of a table's columns.

        Raises:
            KeyError: there is no such table.
            duckdb.Error: the SELECT of the table, or of one that it reads, is wrong.
        """
        if name not in self._known:
            self._known[name] = self._read(name)
            self._lake.create(name, self._known[name])
        return self._known[name]

    def names(self) -> list[str]:
        """All tables that can be read."""
        return [*self._raw, *connect_staging.STAGED_TABLES, FRESHNESS, *self._tables]

    def _read(self, name: str) -> dict[str, str]:
        if name in self._raw:
            self._lake.connection.register("declared_columns", self._raw[name].empty_table())
            return self._lake.types_of("from declared_columns")
        if name in connect_staging.STAGED_TABLES:
            return connect_staging.types_of(connect_staging.STAGED_TABLES[name])
        if name == FRESHNESS:
            columns = [each.split(" ") for each in FRESHNESS_COLUMNS.split(", ")]
            return {column: kind for column, kind in columns}  # noqa: C416  lists of two
        table = self._tables[name]
        for source in table.inputs:
            self.of(source)
        return self._lake.types_of(table.sql)


@cache
def types() -> Types:
    """The types of the tables of this process."""
    return Types()
