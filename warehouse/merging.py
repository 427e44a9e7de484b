"""How rows are written to a table of the lake: only those that differ, equal keys as updates."""

# ruff: noqa: S608  names come from the tables' own files

from collections.abc import Iterable
from typing import NamedTuple

from warehouse.lake import Lake
from warehouse.scopes import time_ranges

REASONS = "_reasons"
"""The column that a quarantine has besides those of its table: names of the rules that the row breaks."""


class Changes(NamedTuple):
    """Rows written to a table."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


NOTHING = Changes()


class Target(NamedTuple):
    """A table that is written to: its name, the columns that tell rows apart, and all its columns with their types."""

    qualified: str
    identity: tuple[str, ...]
    columns: dict[str, str]

    def insert(self, lake: Lake, rows: str) -> Changes:
        """Insert the rows of a temporary table."""
        count = lake.value(f"select count(*) from {rows}")
        if count:
            names = names_of(self.columns)
            lake.connection.execute(
                f"insert into {self.qualified} ({names}) select {names} from {rows} order by {names_of(self.identity)}"
            )
        return Changes(inserted=count)


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
    here = same_identity("target", "source", target.identity)
    if ranges := time_ranges(lake, "gone", target.columns, prefix="target."):
        here += f" and {ranges}"
    if deleted:
        lake.connection.execute(
            f"merge into {target.qualified} target using removed source on {here} when matched then delete"
        )
    if updated:
        rest = [f'"{name}" = source."{name}"' for name in target.columns if name not in target.identity]
        lake.connection.execute(
            f"merge into {target.qualified} target using (from added semi join gone on {same}) source on {here}"
            f" when matched then update set {', '.join(rest)}"
        )
    if added > updated:
        lake.connection.execute(f"create or replace temp table fresh as from added anti join gone on {same}")
        target.insert(lake, "fresh")
    return Changes(inserted=added - updated, updated=updated, deleted=deleted)


def same_identity(left: str, right: str, columns: Iterable[str]) -> str:
    """A condition: two rows agree in the columns, empty ones included."""
    return " and ".join(f'{left}."{name}" is not distinct from {right}."{name}"' for name in columns)


def names_of(columns: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
