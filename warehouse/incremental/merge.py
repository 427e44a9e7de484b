"""Merges computed rows into a table: only rows that differ are written, equal keys as updates."""

# ruff: noqa: S608  names come from the tables' own files

from headrace.warehouse.incremental.affected_groups import time_ranges
from headrace.warehouse.lake import Lake
from headrace.warehouse.lake.target import Changes, Target, names_of, same_identity

BEFORE, ADDED, GONE = "before", "added", "gone"
"""Temporary tables: the rows to replace; the computed rows not among them; and those that are not computed again."""
REMOVED, NEW = "removed", "new_rows"
"""Temporary tables: the rows of `GONE` whose key is gone, and the rows of `ADDED` whose key is new."""


def insert_rows(lake: Lake, target: Target, rows: str) -> Changes:
    """Insert the rows of a query; they are in `ADDED` afterwards."""
    lake.connection.execute(f"create or replace temp table {ADDED} as {rows}")
    return target.insert(lake, ADDED)


def replace_rows(lake: Lake, target: Target, before: str, rows: str) -> Changes:
    """Replace the rows of the query `before` by those of a temporary table, where they differ.

    Afterwards, new rows are in `ADDED`, removed ones in `GONE`.
    """
    names = names_of(target.columns)
    lake.connection.execute(f"create or replace temp table {BEFORE} as select {names} from ({before})")
    lake.connection.execute(f"create or replace temp table {ADDED} as select {names} from {rows} except from {BEFORE}")
    lake.connection.execute(f"create or replace temp table {GONE} as from {BEFORE} except select {names} from {rows}")
    return _merge(lake, target)


def _merge(lake: Lake, target: Target) -> Changes:
    """Replace the rows in `GONE` by those in `ADDED`: equal keys are updated, the others deleted and inserted."""
    if not lake.value(f"select exists (from {GONE})"):
        return target.insert(lake, ADDED)
    same = same_identity(ADDED, GONE, target.identity)
    updated = lake.value(f"select count(*) from {ADDED} semi join {GONE} on {same}")
    lake.connection.execute(f"create or replace temp table {REMOVED} as from {GONE} anti join {ADDED} on {same}")
    deleted = lake.value(f"select count(*) from {REMOVED}")
    added = lake.value(f"select count(*) from {ADDED}")
    if target.is_scattered(lake, ADDED, added):
        _delete(lake, target, GONE)
        target.insert(lake, ADDED)
        return Changes(inserted=added - updated, updated=updated, deleted=deleted)
    if deleted:
        _delete(lake, target, REMOVED)
    if updated:
        here = _here(lake, target)
        rest = [f'"{name}" = source."{name}"' for name in target.columns if name not in target.identity]
        lake.connection.execute(
            f"merge into {target.qualified} target using (from {ADDED} semi join {GONE} on {same}) source on {here}"
            f" when matched then update set {', '.join(rest)}"
        )
    if added > updated:
        lake.connection.execute(f"create or replace temp table {NEW} as from {ADDED} anti join {GONE} on {same}")
        target.insert(lake, NEW)
    return Changes(inserted=added - updated, updated=updated, deleted=deleted)


def _delete(lake: Lake, target: Target, rows: str) -> None:
    lake.connection.execute(
        f"merge into {target.qualified} target using {rows} source on {_here(lake, target)} when matched then delete"
    )


def _here(lake: Lake, target: Target) -> str:
    """A condition that selects the rows of the table to replace, and restricts the files that are read."""
    same = same_identity("target", "source", target.identity)
    ranges = time_ranges(lake, GONE, target.columns, prefix="target.")
    return f"{same} and {ranges}" if ranges else same
