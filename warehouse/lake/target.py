"""Inserting rows into a table, for any number of partitions."""

# ruff: noqa: S608  names come from the tables' own files

from collections.abc import Iterable
from typing import NamedTuple

from headrace.warehouse.lake.connection import Lake

SCATTERED = "scattered"
"""The temporary table of rows that are inserted in parts, numbered by `_part`."""
ORDERED = ("DATE", "TIMESTAMP WITH TIME ZONE")
"""Types of columns whose value ranges let queries skip files."""


class Changes(NamedTuple):
    """Rows written to a table."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


NOTHING = Changes()


PARTITIONS_AT_ONCE = 100
"""Maximum number of partitions per INSERT: DuckDB keeps a writer open for each, with at least 0.9 MB."""


class Target(NamedTuple):
    """A table to write to: its name, the columns that identify a row, all columns with their types, and the partition
    expressions of its files.
    """

    qualified: str
    identity: tuple[str, ...]
    columns: dict[str, str]
    partition: str | None = None

    def insert(self, lake: Lake, rows: str) -> Changes:
        """Insert the rows of a temporary table, in any number of partitions."""
        count = lake.value(f"select count(*) from {rows}")
        if count and self.is_scattered(lake, rows, count):
            lake.connection.execute(
                f"create or replace temp table {SCATTERED} as select *,"
                f" (dense_rank() over (order by {self.partition}) - 1) // {PARTITIONS_AT_ONCE} as _part from {rows}"
            )
            parts = lake.value(f"select max(_part) + 1 from {SCATTERED}")
            for part in range(parts):
                self._insert(lake, f"{SCATTERED} where _part = {part}")
            lake.connection.execute(f"drop table {SCATTERED}")
        elif count:
            self._insert(lake, rows)
        return Changes(inserted=count)

    def _insert(self, lake: Lake, rows: str) -> None:
        # Times first, so that the rows of a day are close together within a file.
        order = names_of(sorted(self.identity, key=lambda name: self.columns[name] not in ORDERED))
        names = names_of(self.columns)
        lake.connection.execute(
            f"insert into {self.qualified} ({names}) select {names} from {rows} {f'order by {order}' if order else ''}"
        )

    def is_scattered(self, lake: Lake, rows: str, count: int) -> bool:
        """Whether the `count` rows of a temporary table have more partitions than one statement may write to."""
        if self.partition is None or count <= PARTITIONS_AT_ONCE:
            return False
        return lake.value(f"select count(*) from (select distinct {self.partition} from {rows})") > PARTITIONS_AT_ONCE


def same_identity(left: str, right: str, columns: Iterable[str]) -> str:
    """A condition that two rows have equal values in the columns; NULLs are equal."""
    return " and ".join(f'{left}."{name}" is not distinct from {right}."{name}"' for name in columns)


def names_of(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
