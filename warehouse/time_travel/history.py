"""The warehouse's past: its snapshots, and how the tables differ between two of them. Undoing is in `rollback`."""

# ruff: noqa: S608  names come from the lake's catalog and the tables' own files, versions are numbers

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from headrace.contracts.errors import Terminal
from headrace.warehouse.lake import CATALOG, METADATA, Lake, quoted
from headrace.warehouse.tables import all_tables

BEFORE, AFTER = "only_before", "only_after"
"""Temporary tables: the rows of a table that are at the first snapshot only, and those at the second only."""
MAX_SHOWN = 200
"""Rows of a difference that are shown."""
_SNAPSHOTS = f"""
with change as (
    select snapshot_id, author, commit_message,
        unnest(regexp_extract_all(changes_made, '[a-z_]+:([0-9]+)', 1))::bigint as table_id
    from {METADATA}.ducklake_snapshot_changes
),
named as (
    select distinct table_id, schema_name || '.' || table_name as name
    from {METADATA}.ducklake_table join {METADATA}.ducklake_schema using (schema_id)
    where schema_name <> 'meta'
)
select snapshot_id, snapshot_time, coalesce(any_value(commit_message), ''), list(distinct name order by name)
from {METADATA}.ducklake_snapshot join change using (snapshot_id) join named using (table_id)
where {{condition}}
group by all order by snapshot_id desc limit {{limit}}
"""


@dataclass(frozen=True)
class Snapshot:
    """One commit to the lake: when, with what message, and the tables that it wrote to (not those in `meta`)."""

    id: int
    at: datetime
    message: str
    tables: tuple[str, ...]


@dataclass(frozen=True)
class TableDiff:
    """How the rows of a table differ between two snapshots; a count is None where the table did not exist.

    A row is updated when its key is on both sides. Where the columns differ, all rows count as deleted and inserted.
    """

    table: str
    rows_before: int | None
    rows_after: int | None
    inserted: int
    updated: int
    deleted: int


def snapshots(lake: Lake, limit: int = 20, table: str | None = None) -> list[Snapshot]:
    """The latest snapshots that wrote to any table, or to `table`, newest first."""
    condition = (
        f"snapshot_id in (select snapshot_id from change join named using (table_id)\
 where name = {quoted(table)})"
        if table
        else "true"
    )
    with lake.translated_errors():
        rows = lake.connection.execute(_SNAPSHOTS.format(condition=condition, limit=limit)).fetchall()
    return [Snapshot(row[0], row[1], row[2], tuple(row[3])) for row in rows]


def tables_at(lake: Lake, version: int) -> set[str]:
    """Names of the tables that existed at a snapshot, with their schema."""
    rows = lake.connection.execute(
        f"""
        select schemas.schema_name || '.' || tables.table_name
        from {METADATA}.ducklake_table tables join {METADATA}.ducklake_schema schemas using (schema_id)
        where tables.begin_snapshot <= {version} and coalesce(tables.end_snapshot > {version}, true)
        """
    ).fetchall()
    return {row[0] for row in rows}


def diff(lake: Lake, start: int, end: int, only: Sequence[str] | None = None) -> list[TableDiff]:
    """How the tables (all but those in `meta`) differ between two snapshots. Tables without differences are left out.

    Raises:
        Terminal: a table of `only` existed at neither snapshot.
    """
    with lake.translated_errors():
        before, after = tables_at(lake, start), tables_at(lake, end)
        known = {name for name in before | after if not name.startswith("meta.")}
        if unknown := sorted(set(only or ()) - known):
            raise Terminal(
                f"Neither snapshot has a table {', '.join(unknown)}.", remedy="`show all tables` lists them."
            )
        names = sorted(only or known)
        found = [_table_diff(lake, name, start if name in before else None, end if name in after else None)
                 for name in names]  # fmt: skip
    return [each for each in found if each.inserted or each.updated or each.deleted
            or (each.rows_before is None) != (each.rows_after is None)]  # fmt: skip


def differing_rows(lake: Lake, table: str, start: int, end: int) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The columns and the first rows that are in one snapshot only, marked `-` (removed) or `+` (added).

    Raises:
        Terminal: the table does not exist in both snapshots with the same columns.
    """
    with lake.translated_errors():
        if not (table in tables_at(lake, start) and table in tables_at(lake, end)) or (
            columns_at(lake, table, start) != columns_at(lake, table, end)
        ):
            raise Terminal(
                f"{table} does not exist in both snapshots with the same columns.",
                remedy="`headrace sql --at` queries it as of a snapshot.",
            )
        identity = ", ".join(f'"{column}"' for column in _key(table) or tuple(columns_at(lake, table, end)))
        answered = lake.connection.execute(
            f"""
            with old as (from {as_of(table, start)}), new as (from {as_of(table, end)})
            select '-' as side, * from (from old except from new)
            union all select '+', * from (from new except from old)
            order by {identity}, side desc limit {MAX_SHOWN}
            """
        )
        return tuple(column[0] for column in answered.description or ()), answered.fetchall()


def as_of(table: str, version: int) -> str:
    """A table as of a snapshot, for a FROM clause."""
    return f"{CATALOG}.{table} at (version => {version})"


def columns_at(lake: Lake, table: str, version: int) -> dict[str, str]:
    """Names and types of a table's columns at a snapshot."""
    return lake.types_of(f"from {as_of(table, version)}")


def _key(table: str) -> tuple[str, ...]:
    declared = next((each for each in all_tables() if each.qualified == table), None)
    return (declared.event_key or declared.key) if declared is not None else ()


def _table_diff(lake: Lake, table: str, start: int | None, end: int | None) -> TableDiff:
    counts = [None if version is None else lake.value(f"select count(*) from {as_of(table, version)}")
              for version in (start, end)]  # fmt: skip
    before, after = counts
    if table.startswith("raw.") and before is not None and after is not None:
        return TableDiff(table, before, after, after - before, 0, 0)  # rows of raw tables never change
    if start is None or end is None or columns_at(lake, table, start) != columns_at(lake, table, end):
        return TableDiff(table, before, after, after or 0, 0, before or 0)
    old, new = as_of(table, start), as_of(table, end)
    lake.connection.execute(f"create or replace temp table {AFTER} as from {new} except from {old}")
    lake.connection.execute(f"create or replace temp table {BEFORE} as from {old} except from {new}")
    added, gone = (lake.value(f"select count(*) from {rows}") for rows in (AFTER, BEFORE))
    same = " and ".join(f'{AFTER}."{column}" is not distinct from {BEFORE}."{column}"' for column in _key(table))
    updated = lake.value(f"select count(*) from {AFTER} semi join {BEFORE} on {same}") if same and added and gone else 0
    return TableDiff(table, before, after, added - updated, updated, gone - updated)
