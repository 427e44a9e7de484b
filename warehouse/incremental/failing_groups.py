"""Builds that fail on an error in the data: finds the groups that cannot be computed, and builds the rest.

A cast, a sum or a date that fails makes the whole statement fail, at every attempt. A binary search finds the groups
that fail alone: values of the table's scope or, for an append table, records of its input. They are listed in
`quarantine.groups` with the reason, and the table has no rows of them until they change and can be computed. A full
build finds the same groups.
"""

# ruff: noqa: S608  names and expressions come from the tables' own files, the rest is quoted

import duckdb
import structlog

from headrace.warehouse.incremental import affected_groups
from headrace.warehouse.incremental.affected_groups import AFFECTED, all_groups, group_columns
from headrace.warehouse.incremental.compute import compute, over, over_affected
from headrace.warehouse.incremental.facts import facts_of
from headrace.warehouse.incremental.plan import Plan, make_plan
from headrace.warehouse.lake import Lake, change_cache, first_line, quoted
from headrace.warehouse.lake.target import same_identity
from headrace.warehouse.tables import RECORD, Table

DATA_ERRORS = (duckdb.DataError, duckdb.InvalidInputException)
MOST = 100
"""If more groups fail, the cause is the table's file, and none is left out."""
GROUPS = "quarantine.groups"
"""The groups of a table that could not be computed: the values of its scope, or topic id, partition and offset of the
input's record."""
SUSPECTS, FAILING = "suspects", "failing_groups"
"""The groups of a failed build, numbered by `_n`, and those that cannot be computed, with the reason."""

log = structlog.get_logger(part="warehouse")


def find(lake: Lake, table: Table, *, full: bool, cause: duckdb.Error) -> None:
    """Write the groups that cannot be computed to `FAILING`, for a build that leaves them out.

    The caller holds the builder's lock until that build has ended.

    Raises:
        duckdb.Error: the `cause`, if no such groups are found, or too many.
        Transient: PostgreSQL is unavailable.
    """
    with lake.transaction():
        _list_suspects(lake, make_plan(table, facts_of(lake, table), full=full))
        count = lake.value(f"select count(*) from {SUSPECTS}")
    found = _failing(lake, table, count)
    if not found:
        raise cause
    rows = ", ".join(f"({number}, {quoted(reason)})" for number, reason in found.items())
    lake.connection.execute(
        f"create or replace temp table {FAILING} as select suspect.*, reason from {SUSPECTS} suspect"
        f" join (values {rows}) failing (_n, reason) using (_n)"
    )
    log.warning("groups cannot be computed and are left out", table=table.qualified, groups=len(found), listed=GROUPS)


def records_left(rows: str) -> str:
    """A query for the records of an input that can be computed."""
    return f"select record.* from {rows} record anti join {FAILING} failing on {_same_record('failing')}"


def groups_left(table: Table, groups: str) -> str:
    """A query for those of some groups that can be computed."""
    same = same_identity("found", "failing", group_columns(len(table.group_by)))
    return f"select found.* from ({groups}) found anti join {FAILING} failing on {same}"


def keep(lake: Lake, plan: Plan, *, computed: str) -> None:
    """List the groups left out in `quarantine.groups`, replacing the entries of the groups that were computed.

    `computed` is the condition that selects these groups.
    """
    table = plan.table
    if GROUPS not in lake.columns():
        if not plan.leaves_out_failing:
            return
        lake.connection.execute("create schema if not exists quarantine")
        lake.connection.execute(
            f"create table {GROUPS} (table_name varchar, group_columns varchar[], group_values varchar[],"
            " reason varchar, since timestamptz)"
        )
        about = "Groups of tables, and records, that cannot be computed: the table has no rows of them."
        lake.connection.execute(f"comment on table {GROUPS} is {quoted(about)}")
    elif has_any(lake, table):
        lake.connection.execute(f"delete from {GROUPS} where table_name = {quoted(table.qualified)} and ({computed})")
    if plan.leaves_out_failing:
        names = ", ".join(map(quoted, table.group_by or RECORD))
        lake.connection.execute(
            f"insert into {GROUPS} select {quoted(table.qualified)}, [{names}], {_values(table)}, reason, now()"
            f" from {FAILING}"
        )


def are_affected(table: Table) -> str:
    """A condition on `quarantine.groups`: the group is one of those that were computed."""
    return f"group_values in (select {_values(table)} from {AFFECTED})"


def has_any(lake: Lake, table: Table) -> bool:
    """Whether groups of a table are listed."""
    here = f"from {GROUPS} where table_name = {quoted(table.qualified)}"
    return GROUPS in lake.columns() and lake.value(f"select exists ({here})")


def _failing(lake: Lake, table: Table, count: int) -> dict[int, str]:
    """The suspects that fail alone, with the reason; empty if there are more than `MOST`."""
    found: dict[int, str] = {}
    waiting = [(0, count)] if count else []
    while waiting:
        low, high = waiting.pop()
        reason = _reason(lake, table, low, high)
        if reason is None:
            continue
        if high - low > 1:
            middle = (low + high) // 2
            waiting += [(middle, high), (low, middle)]
        elif len(found) < MOST:
            found[low] = reason
        else:
            return {}
    return found


def _reason(lake: Lake, table: Table, low: int, high: int) -> str | None:
    """Why some suspects together cannot be computed; None if they can."""
    try:
        with lake.transaction():
            _try_suspects(lake, table, low, high)
    except DATA_ERRORS as error:
        return first_line(error)
    return None


def _list_suspects(lake: Lake, plan: Plan) -> None:
    """List what the build computes: groups or, for an append table, records of the input."""
    table = plan.table
    if table.event_key:
        (read,) = plan.inputs
        since = read.since
        rows = read.table if since is None else change_cache.insertions(lake, read.table, since, read.until)
        found = f"select {', '.join(f'{name} as _group_{number}' for number, name in enumerate(RECORD))} from {rows}"
    elif plan.kind == "full":
        found = all_groups(table)
    elif plan.changed and affected_groups.find(lake, plan):
        found = f"select * from {AFFECTED}"
    else:
        found = f"{all_groups(table)} limit 0"
    # Any numbering will do: it is only used within this search.
    lake.connection.execute(
        f"create or replace temp table {SUSPECTS} as select (row_number() over ()) - 1 as _n, * from (select distinct *"
        f" from ({found}))"
    )


def _try_suspects(lake: Lake, table: Table, low: int, high: int) -> None:
    """Compute some of the suspects to find out whether they fail."""
    affected_groups.put(lake, f"select * exclude (_n) from {SUSPECTS} where _n >= {low} and _n < {high}")
    if table.event_key:
        (source,) = table.inputs
        same = _same_record(AFFECTED)
        sql = over(lake, table, {source: f"select record.* from {source} record semi join {AFFECTED} on {same}"})
    else:
        sql = over_affected(lake, table)
    compute(lake, table, sql)


def _same_record(groups: str) -> str:
    columns = zip(RECORD, group_columns(len(RECORD)), strict=True)
    return " and ".join(f"record.{name} = {groups}.{column}" for name, column in columns)


def _values(table: Table) -> str:
    """The columns of a group, or of a record's position, as one list of text."""
    return f"[{', '.join(f'{column}::varchar' for column in group_columns(len(table.group_by or RECORD)))}]"
