"""Builds that an error in the data stops: what cannot be computed is found and set apart, and the rest is built.

A cast, a sum or a date that fails takes the whole statement with it, for good. So what the build was to compute is
halved until the groups are found that fail alone: values of the table's scope or, where it appends, records of its
input. They are listed in `quarantine.groups` with the reason, and the table has no rows of them; they come back when
they change and can be computed. A full build finds the same ones.
"""

# ruff: noqa: S608  names and expressions come from the tables' own files, the rest is quoted

import duckdb
import structlog

from warehouse.incremental.affected_groups import all_groups, find_touched
from warehouse.incremental.engine import (
    APART,
    GROUPS,
    RECORD,
    SUSPECTS,
    as_built,
    compute,
    of_scope,
    over_views,
    same_record,
)
from warehouse.lake import Lake, change_cache, first_line, quoted, watermarks
from warehouse.tables import Table

DATA_ERRORS = (duckdb.DataError, duckdb.InvalidInputException)
MOST = 100
"""With more groups that fail, the cause is the table's file: then none is set apart."""

log = structlog.get_logger(part="warehouse")


def set_apart(lake: Lake, table: Table, *, full: bool, cause: duckdb.Error) -> None:
    """Put the groups that cannot be computed into the temporary table `apart`, for a build without them.

    The builder's lock is held from before until that build has ended.

    Raises:
        duckdb.Error: the `cause`, where no such groups are found, or too many.
        Transient: PostgreSQL is unavailable.
    """
    with lake.transaction():
        _list_suspects(lake, table, full=full)
        count = lake.value(f"select count(*) from {SUSPECTS}")
    found = _failing(lake, table, count)
    if not found:
        raise cause
    rows = ", ".join(f"({number}, {quoted(reason)})" for number, reason in found.items())
    lake.connection.execute(
        f"create or replace temp table {APART} as select suspects.*, reason from {SUSPECTS} suspects"
        f" join (values {rows}) failing (_n, reason) using (_n)"
    )
    log.warning("groups cannot be computed and are set apart", table=table.qualified, groups=len(found), listed=GROUPS)


def _failing(lake: Lake, table: Table, count: int) -> dict[int, str]:
    """The suspects that fail alone, with the reason; none where they are more than `MOST`."""
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
    """Why some suspects together cannot be computed; None where they can."""
    try:
        with lake.transaction():
            _try_suspects(lake, table, low, high)
    except DATA_ERRORS as error:
        return first_line(error)
    return None


def _list_suspects(lake: Lake, table: Table, *, full: bool) -> None:
    """Put what a build of the table is to compute into `suspects`: groups, or records of the input where it appends."""
    snapshot, marks = lake.snapshot(), watermarks.read(lake, table.qualified)
    is_full = full or table.qualified not in lake.columns() or not as_built(lake, table, marks)
    if table.append:
        (source,) = table.inputs
        rows = source if is_full else change_cache.insertions(lake, source, marks[source].snapshot_id, snapshot)
        found = f"select {', '.join(f'{name} as _scope_{number}' for number, name in enumerate(RECORD))} from {rows}"
    elif is_full:
        found = all_groups(table)
    elif find_touched(lake, table, {name: marks[name].snapshot_id for name in table.inputs}, snapshot):
        found = "select * from scope"
    else:
        found = f"{all_groups(table)} limit 0"
    lake.connection.execute(
        f"create or replace temp table suspects as select (row_number() over ()) - 1 as _n, * from (select distinct *"
        f" from ({found}))"
    )


def _try_suspects(lake: Lake, table: Table, low: int, high: int) -> None:
    """Compute some of `suspects`, for nothing but to see whether it can be done."""
    lake.connection.execute(
        f"create or replace temp table scope as select * exclude (_n) from {SUSPECTS} where _n >= {low} and _n < {high}"
    )
    if table.append:
        (source,) = table.inputs
        lake.connection.execute(
            f'create or replace temp view "{source}" as select record.* from {source} record'
            f" semi join scope set_apart on {same_record()}"
        )
        compute(lake, table, over_views(table))
    else:
        compute(lake, table, of_scope(lake, table))
