"""Updates tables from the changes of their inputs since the last build, in one transaction.

Each build executes a plan (`headrace.warehouse.incremental.plan`). All kinds of builds write only rows that differ, so
a build without changes writes nothing. A full build treats all rows as changed. Rows that fail a row check are written
in the same way, to the table's quarantine. Nothing here depends on a particular table.
"""

# ruff: noqa: S608  names and expressions come from the tables' own files

from collections.abc import Sequence
from dataclasses import dataclass, replace

from headrace.contracts.errors import Terminal
from headrace.warehouse.incremental import affected_groups, failing_groups, key_conflicts
from headrace.warehouse.incremental.affected_groups import AFFECTED, all_groups, rows_of_affected, time_ranges
from headrace.warehouse.incremental.checks import CheckResult, evaluate, keep
from headrace.warehouse.incremental.compute import (
    REJECTED,
    RESULT,
    compute,
    exclude,
    over,
    over_affected,
    take_computed,
)
from headrace.warehouse.incremental.facts import facts_of
from headrace.warehouse.incremental.key_conflicts import DISPLACED
from headrace.warehouse.incremental.merge import ADDED, GONE, insert_rows, replace_rows
from headrace.warehouse.incremental.plan import Plan, make_plan
from headrace.warehouse.lake import Lake, change_cache, quoted, watermarks
from headrace.warehouse.lake.partitions import adopt
from headrace.warehouse.lake.target import NOTHING, Changes, Target, names_of
from headrace.warehouse.tables import REASONS, Grouping, Table

KNOWN = "known"
"""The temporary table of an append table's existing events around the times of the new ones."""
ALL_AFFECTED = "all_affected"
"""The temporary table of all affected groups, while `AFFECTED` lacks those that cannot be computed."""


class Blocked(Terminal):
    """A blocking check of a table failed, so its build was rolled back."""

    def __init__(self, table: Table, checks: list[CheckResult]) -> None:
        failed = [each for each in checks if each.check.is_blocking and not each.passed]
        super().__init__(
            f"{table.qualified} would break {', '.join(f'{each.check.name} ({each.description})' for each in failed)}.",
            remedy="Its rows are unchanged; correct the input or the file and build again.",
        )
        self.checks = checks


@dataclass(frozen=True)
class Built:
    """Rows written to the table and to its quarantine, and the results of its checks: None if nothing was built.

    `redefined`: the table's file has changed since its last build.
    """

    changes: Changes = NOTHING
    quarantined: Changes = NOTHING
    checks: tuple[CheckResult, ...] | None = None
    redefined: bool = False


def bring_up_to_date(
    lake: Lake, tables: Sequence[Table], *, full: bool, leave_out_failing: bool = False
) -> list[Built]:
    """Read the changes of the inputs and write the rows that differ, in the open transaction.

    The tables must not read each other. With `leave_out_failing` it is one table, which is built without the groups
    that `failing_groups.find` has found.

    Raises:
        Blocked: a blocking check failed.
        Terminal: an input does not exist, or a SELECT yields a key twice.
    """
    plans = [
        make_plan(table, facts_of(lake, table), full=full, leaves_out_failing=leave_out_failing) for table in tables
    ]
    built = [carry_out(lake, plan) for plan in plans]
    # Results and watermarks of all tables are written at once: each statement on the lake takes tens of milliseconds.
    read = [(plan, each) for plan, each in zip(plans, built, strict=True) if each is not None]
    if read:
        keep(lake, {plan.table.qualified: each.checks for plan, each in read if each.checks is not None})
        watermarks.move_all(lake, {plan.table.qualified: plan.watermarks() for plan, _ in read})
    return [each or Built() for each in built]


def carry_out(lake: Lake, plan: Plan) -> Built | None:
    """Execute a plan; None if there was nothing to read and the watermarks stay."""
    _prepare(lake, plan)
    match plan.kind:
        case "full":
            built = _build_in_full(lake, plan)
        case "append":
            built = _append(lake, plan)
        case "groups":
            built = _recompute(lake, plan)
        case "nothing":
            built = None
    if built is None:
        return Built(redefined=plan.redefined) if plan.moves_watermarks else None
    return replace(built, checks=_check(lake, plan), redefined=plan.redefined)


def write_computed(lake: Lake, plan: Plan, rows: str, rejected: str | None) -> Built:
    """Execute the plan of a full build with rows that were computed before: temporary tables of the table's rows and,
    if it has one, of its quarantine's.

    Raises:
        Blocked: a blocking check failed.
    """
    _prepare(lake, plan)
    take_computed(lake, rows, rejected)
    built = _write(lake, plan)
    failing_groups.keep(lake, plan, computed="true")
    return replace(built, checks=_check(lake, plan), redefined=plan.redefined)


def _prepare(lake: Lake, plan: Plan) -> None:
    """Create the table, or write what its file says besides its rows, as the plan decides."""
    if plan.creates:
        _create(lake, plan)
    elif plan.describes:
        _comment(lake, plan)
    if plan.repartitions:
        for target in plan.targets:
            adopt(lake, target.qualified, target.partition)


def _build_in_full(lake: Lake, plan: Plan) -> Built:
    """Compute all rows and write those that differ."""
    with lake.all_threads():
        compute(lake, plan.table, _without_failing(lake, plan.table) if plan.leaves_out_failing else plan.table.sql)
        if plan.table.event_key:
            key_conflicts.reject_later(lake, plan.table)
        built = _write(lake, plan)
    failing_groups.keep(lake, plan, computed="true")
    return built


def _append(lake: Lake, plan: Plan) -> Built | None:
    """Run the SELECT over the new rows of the input and insert the events that the table lacks.

    None if the input has no new rows.
    """
    table, (read,) = plan.table, plan.changed
    new = change_cache.insertions(lake, read.table, read.since or 0, read.until)
    rows = failing_groups.records_left(new) if plan.leaves_out_failing else f"select * from {new}"
    sql = over(lake, table, {read.table: rows})
    if not lake.value(f'select exists (from temp."{read.table}")'):
        failing_groups.keep(lake, plan, computed="false")
        return None
    compute(lake, table, sql)
    computed = " union all ".join(f"select {names_of(table.event_key)} from {rows}" for _, rows in _rows(plan))
    columns = plan.targets[0].columns
    within = time_ranges(lake, f"({computed})", {column: columns[column] for column in table.event_key})
    bounds = f"where {within}" if within else ""
    names = key_conflicts.deciding_columns(table)
    lake.connection.execute(f"create or replace temp table {KNOWN} as select {names} from {table.qualified} {bounds}")
    # 1. Events that are there already, in the table or rejected, stay as they are.
    exclude(lake, table, KNOWN, KNOWN)
    if table.quarantine is not None and not lake.is_empty(table.quarantine):
        exclude(lake, table, f"(from {table.quarantine} {bounds}) before", "before")
    # 2. Of the events with one key, the first to arrive stands, also if it lands after the others.
    target, displaced = plan.targets[0], 0
    if key_conflicts.reject_later(lake, table, KNOWN):
        displaced = key_conflicts.take_out(lake, table, target, bounds)
        lake.connection.execute(f"insert into {REJECTED} by name from {DISPLACED}")
    # 3. The others are new.
    written: list[Changes] = []
    for each, rows in _rows(plan):
        written.append(insert_rows(lake, each, f"from {rows}"))
        changed, count = f"from {ADDED}", written[-1].inserted
        if displaced and each is target:
            written[-1] = written[-1]._replace(deleted=displaced)
            changed += f" union all by name select * exclude ({REASONS}) from {DISPLACED}"
            change_cache.keep(lake, each.qualified, changed, count + displaced, only_added=False)
        else:
            change_cache.keep(lake, each.qualified, changed, count)
    failing_groups.keep(lake, plan, computed="false")
    return _wrote(written)


def _recompute(lake: Lake, plan: Plan) -> Built | None:
    """Compute the groups that changes affect and write the rows that differ; None if there are no such groups."""
    if not affected_groups.find(lake, plan):
        return None
    table = plan.table
    if plan.leaves_out_failing:
        lake.connection.execute(f"create or replace temp table {ALL_AFFECTED} as from {AFFECTED}")
        affected_groups.put(lake, failing_groups.groups_left(table, f"from {ALL_AFFECTED}"))
    compute(lake, table, over_affected(lake, table))
    if plan.leaves_out_failing:
        # Existing rows of groups that cannot be computed are deleted, too.
        affected_groups.put(lake, f"from {ALL_AFFECTED}")
    built = _write(lake, plan)
    failing_groups.keep(lake, plan, computed=failing_groups.are_affected(table))
    return built


def _without_failing(lake: Lake, table: Table) -> str:
    """The table's SELECT over all rows that can be computed."""
    if table.event_key:
        (source,) = table.inputs
        return over(lake, table, {source: failing_groups.records_left(source)})
    affected_groups.put(lake, failing_groups.groups_left(table, all_groups(table)))
    return over_affected(lake, table)


def _write(lake: Lake, plan: Plan) -> Built:
    """Replace all rows of the table, or those of the affected groups, by the computed rows."""
    own = [Grouping(f'"{column}"') for column in plan.table.group_by]
    written: list[Changes] = []
    for target, rows in _rows(plan):
        is_full = plan.kind == "full"
        before = f"select * from {target.qualified}" if is_full else rows_of_affected(lake, target.qualified, own)
        written.append(changes := replace_rows(lake, target, before, rows))
        count = changes.inserted + 2 * changes.updated + changes.deleted
        change_cache.keep(
            *(lake, target.qualified, f"from {ADDED} union all from {GONE}", count),
            only_added=count == changes.inserted,
        )
    return _wrote(written)


def _rows(plan: Plan) -> list[tuple[Target, str]]:
    """The targets, each with the temporary table of its rows: the table and, if it has one, its quarantine."""
    return list(zip(plan.targets, (RESULT, REJECTED), strict=False))


def _wrote(written: Sequence[Changes]) -> Built:
    changes, quarantined = [*written, NOTHING][:2]
    return Built(changes, quarantined)


def _check(lake: Lake, plan: Plan) -> tuple[CheckResult, ...]:
    """Check the written rows. If groups are left out, only the key check is blocking."""
    results = evaluate(lake, plan.table)
    blocking = [each.check.name for each in results if each.check.is_blocking and not each.passed]
    if blocking and (
        "key_is_unique" in blocking or not (plan.leaves_out_failing or failing_groups.has_any(lake, plan.table))
    ):
        raise Blocked(plan.table, results)
    return tuple(results)


def _create(lake: Lake, plan: Plan) -> None:
    """Create the empty table and its quarantine, with their current columns."""
    table = plan.table
    for target in plan.targets:
        name = target.qualified
        lake.connection.execute(f"create schema if not exists {name.split('.')[0]}")
        if plan.replaces:
            lake.connection.execute(f"drop table if exists {name}")
        definitions = ", ".join(f'"{column}" {kind}' for column, kind in target.columns.items())
        lake.connection.execute(f"create table {name} ({definitions})")
        if table.partition is not None:
            lake.connection.execute(f"alter table {name} set partitioned by ({table.partition})")
    if plan.replaces:
        watermarks.forget_readers(lake, table.qualified)
    _comment(lake, plan)


def _comment(lake: Lake, plan: Plan) -> None:
    table = plan.table
    about = f"{table.grain} {table.description}"
    lake.connection.execute(f"comment on table {table.qualified} is {quoted(about)}")
    for name in plan.targets[0].columns:
        description = quoted(table.columns.get(name, ""))
        lake.connection.execute(f'comment on column {table.qualified}."{name}" is {description}')
    if table.quarantine is not None:
        about = f"Rows of {table.qualified} that fail its row checks."
        lake.connection.execute(f"comment on table {table.quarantine} is {quoted(about)}")
        lake.connection.execute(
            f"comment on column {table.quarantine}.{REASONS} is {quoted('Names of the row checks that the row fails.')}"
        )
