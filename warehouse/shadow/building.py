"""Finds the changed tables and builds their shadows, at the snapshot of the open transaction."""

# ruff: noqa: S608  names and expressions come from the tables' own files

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

import duckdb

from headrace.contracts.errors import HeadraceError, Terminal
from headrace.warehouse.incremental import key_conflicts
from headrace.warehouse.incremental.compute import REJECTED, RESULT, compute
from headrace.warehouse.incremental.plan import is_as_built
from headrace.warehouse.ingest.raw import declared_schemas
from headrace.warehouse.lake import Lake, first_line, watermarks
from headrace.warehouse.shadow.differences import Differences, compare
from headrace.warehouse.statements import reading
from headrace.warehouse.tables import Table
from headrace.warehouse.time_travel import holds

Reason = Literal["new", "changed", "reads a changed table"]


@dataclass
class Shadow:
    """The shadow of a table. `reads` are its inputs that are shadows too; `problem` is why it could not be built, or
    the audits that it breaks. `is_behind`: the real table lacks changes of its inputs, which are in the shadow."""

    table: Table
    reason: Reason
    is_behind: bool = False
    problem: str | None = None
    is_built: bool = False
    differences: Differences = field(default_factory=Differences)

    @property
    def rows(self) -> str:
        return name_of(self.table.qualified)

    @property
    def rejected(self) -> str | None:
        return None if self.table.quarantine is None else name_of(self.table.quarantine)


@dataclass
class ShadowPlan:
    """The shadows, each after those that it reads, and the snapshot that they were built from. `removed` are tables of
    the lake that no file describes; they stay. `held` were rolled back, and are not built until they change again."""

    snapshot: int
    shadows: list[Shadow]
    removed: list[str]
    held: list[str]

    @property
    def problems(self) -> list[Shadow]:
        return [each for each in self.shadows if each.problem is not None]


def name_of(table: str) -> str:
    """The temporary table that is the shadow of a table."""
    return f'temp."shadow {table}"'


def make(lake: Lake, tables: Sequence[Table], names: Collection[str] = ()) -> ShadowPlan:
    """Build the shadows of changed tables (of these names, by default all), and of the tables that read them.

    Raises:
        Terminal: there is no such table.
    """
    known = {each.qualified for each in tables}
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1, 0.5)
            raise Terminal(
                f"There is no table {name}.",
                remedy=f"Did you mean {near[0]}?" if near else "`headrace plan` without names shows all changes.",
            )
    with lake.transaction():
        changed = _changed(lake, tables, names)
        plan = ShadowPlan(lake.snapshot(), changed, _removed(lake, known), [])
        plan.held = [each.table.qualified for each in changed if holds.is_held(lake, each.table)]
        plan.shadows = [each for each in changed if each.table.qualified not in plan.held]
        failed: set[str] = set()
        for each in plan.shadows:
            if unbuilt := sorted(failed & set(each.table.inputs)):
                each.problem = f"it reads {', '.join(unbuilt)}, which cannot be built"
            else:
                _try(lake, each, plan)
            if not each.is_built:
                failed.add(each.table.qualified)
    return plan


def build(lake: Lake, shadow: Shadow, plan: ShadowPlan) -> None:
    """Build a shadow from its inputs in the open transaction: shadows, if they have one."""
    sources = _sources(lake, plan)
    compute(lake, shadow.table, reading(shadow.table.sql, sources))
    if shadow.table.event_key:
        key_conflicts.reject_later(lake, shadow.table)
    lake.connection.execute(f"create or replace temp table {shadow.rows} as from {RESULT}")
    if shadow.rejected is not None:
        lake.connection.execute(f"create or replace temp table {shadow.rejected} as from {REJECTED}")
    shadow.is_built = True


def _try(lake: Lake, shadow: Shadow, plan: ShadowPlan) -> None:
    try:
        build(lake, shadow, plan)
        shadow.differences = compare(lake, shadow.table, shadow.rows)
        broken = [
            name
            for name, expression in shadow.table.audits.items()
            if not lake.value(
                reading(
                    f"select ({expression}) is true from {shadow.table.qualified}",
                    _sources(lake, plan),
                )
            )
        ]
    except HeadraceError as error:
        shadow.problem = str(error)
    except duckdb.Error as error:
        shadow.problem = f"it cannot be built: {first_line(error)}"
    else:
        shadow.problem = f"it would break: {', '.join(broken)}" if broken else None


def _sources(lake: Lake, plan: ShadowPlan) -> dict[str, str]:
    """What is read instead of a table: its shadow; or no rows, of a raw table that is not created yet."""
    sources = {each.table.qualified: each.rows for each in plan.shadows if each.is_built}
    present = lake.columns()
    for name, schema, _ in declared_schemas():
        if name not in present and any(name in each.table.inputs for each in plan.shadows):
            lake.connection.register("declared_columns", schema.empty_table())
            lake.connection.execute(f"create or replace temp table {name_of(name)} as from declared_columns")
            lake.connection.unregister("declared_columns")
            sources[name] = name_of(name)
    return sources


def _changed(lake: Lake, tables: Sequence[Table], names: Collection[str]) -> list[Shadow]:
    found: dict[str, Shadow] = {}
    present = lake.columns()
    for table in tables:
        reason: Reason | None = None
        marks = watermarks.read(lake, table.qualified)
        if table.qualified not in present:
            reason = "new"
        elif not is_as_built(table, marks):
            reason = "changed"
        elif found.keys() & set(table.inputs):
            reason = "reads a changed table"
        wanted = not names or table.qualified in names or found.keys() & set(table.inputs)
        if reason is not None and wanted:
            found[table.qualified] = Shadow(table, reason, is_behind=_is_behind(lake, table, marks))
    return list(found.values())


def _is_behind(lake: Lake, table: Table, marks: Mapping[str, watermarks.Watermark]) -> bool:
    return any(name in marks and name in lake.changed_since(marks[name].snapshot_id) for name in table.inputs)


def _removed(lake: Lake, known: Collection[str]) -> list[str]:
    built = lake.connection.execute("select distinct table_name from meta.watermarks order by 1").fetchall()
    return [name for (name,) in built if name not in known]
