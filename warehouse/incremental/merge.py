"""How computed rows take the place of those of a table: only those that differ are written, equal keys as updates."""

# ruff: noqa: S608  names come from the tables' own files

from warehouse.incremental.affected_groups import time_ranges
from warehouse.lake import Lake
from warehouse.lake.target import Changes, Target, names_of, same_identity

REASONS = "_reasons"
"""The column that a quarantine has besides those of its table: names of the rules that the row breaks."""


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
