"""How rows are written to a table of the lake: only those that differ, equal keys as updates."""

# ruff: noqa: S608  names come from the tables' own files

from collections.abc import Iterable
from typing import NamedTuple

from warehouse.lake import Lake
from warehouse.scopes import ORDERED, time_ranges

REASONS = "_reasons"
"""The column that a quarantine has besides those of its table: names of the rules that the row breaks."""


class Changes(NamedTuple):
    """Rows written to a table."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


NOTHING = Changes()


PARTITIONS_AT_ONCE = 100
"""Into so many partitions rows are written by one statement: DuckDB keeps a writer open for each, 0.9 MB and more."""


class Target(NamedTuple):
    """A table that is written to: its name, the columns that tell rows apart, all its columns with their types, and the
    expressions by which its files are partitioned.
    """

    qualified: str
    identity: tuple[str, ...]
    columns: dict[str, str]
    partition: str | None = None

    def insert(self, lake: Lake, rows: str) -> Changes:
        """Insert the rows of a temporary table, however many partitions they are of."""
        count = lake.value(f"select count(*) from {rows}")
        if count and self.is_scattered(lake, rows, count):
            lake.connection.execute(
                f"create or replace temp table scattered as select *,"
                f" (dense_rank() over (order by {self.partition}) - 1) // {PARTITIONS_AT_ONCE} as _part from {rows}"
            )
            parts = lake.value("select max(_part) + 1 from scattered")
            for part in range(parts):
                self._insert(lake, f"scattered where _part = {part}")
            lake.connection.execute("drop table scattered")
        elif count:
            self._insert(lake, rows)
        return Changes(inserted=count)

    def _insert(self, lake: Lake, rows: str) -> None:
        # By time first, so that what is read of a few days is not spread over a whole file.
        order = names_of(sorted(self.identity, key=lambda name: self.columns[name] not in ORDERED))
        names = names_of(self.columns)
        lake.connection.execute(
            f"insert into {self.qualified} ({names}) select {names} from {rows} {f'order by {order}' if order else ''}"
        )

    def is_scattered(self, lake: Lake, rows: str, count: int) -> bool:
        """Whether so many rows of a temporary table are of more partitions than one statement may write to."""
        if self.partition is None or count <= PARTITIONS_AT_ONCE:
            return False
        return lake.value(f"select count(*) from (select distinct {self.partition} from {rows})") > PARTITIONS_AT_ONCE


def replace_rows(lake: Lake, target: Target, before: str, rows: str) -> Changes:
    """Write the rows of a temporary table in the place of those that the query `before` gives, where they differ.

    Those that are new are in the temporary table `added` then, those that are no more in `gone`.
    """
    names = names_of(target.columns)
    lake.connection.execute(f"create or replace temp table before as select {names} from ({before})")
    lake.connection.execute(f"create or replace temp table added as select {names} from {rows} except from before")
    lake.connection.execute(f"create or replace temp table gone as from before except select {names} from {rows}")
    return _merge(lake, target)


def _merge(lake: Lake, target: Target) -> Changes:
    """Replace the rows in `gone` by those in `added`: equal keys are updated, the others deleted and inserted."""
    if not lake.value("select exists (from gone)"):
        return target.insert(lake, "added")
    same = same_identity("added", "gone", target.identity)
    updated = lake.value(f"select count(*) from added semi join gone on {same}")
    lake.connection.execute(f"create or replace temp table removed as from gone anti join added on {same}")
    deleted = lake.value("select count(*) from removed")
    added = lake.value("select count(*) from added")
    if target.is_scattered(lake, "added", added):
        _delete(lake, target, "gone")
        target.insert(lake, "added")
        return Changes(inserted=added - updated, updated=updated, deleted=deleted)
    if deleted:
        _delete(lake, target, "removed")
    if updated:
        here = _here(lake, target)
        rest = [f'"{name}" = source."{name}"' for name in target.columns if name not in target.identity]
        lake.connection.execute(
            f"merge into {target.qualified} target using (from added semi join gone on {same}) source on {here}"
            f" when matched then update set {', '.join(rest)}"
        )
    if added > updated:
        lake.connection.execute(f"create or replace temp table fresh as from added anti join gone on {same}")
        target.insert(lake, "fresh")
    return Changes(inserted=added - updated, updated=updated, deleted=deleted)


def _delete(lake: Lake, target: Target, rows: str) -> None:
    lake.connection.execute(
        f"merge into {target.qualified} target using {rows} source on {_here(lake, target)} when matched then delete"
    )


def _here(lake: Lake, target: Target) -> str:
    """A condition: a row of the table is one of those to be replaced, in the files that have any of them."""
    same = same_identity("target", "source", target.identity)
    ranges = time_ranges(lake, "gone", target.columns, prefix="target.")
    return f"{same} and {ranges}" if ranges else same


def same_identity(left: str, right: str, columns: Iterable[str]) -> str:
    """A condition: two rows agree in the columns, empty ones included."""
    return " and ".join(f'{left}."{name}" is not distinct from {right}."{name}"' for name in columns)


def names_of(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
