"""Computes a table's SELECT over some rows of its inputs, and separates the rows that fail a row check."""

# ruff: noqa: S608  names and expressions come from the tables' own files

from collections.abc import Mapping

from contracts.errors import Terminal
from warehouse.incremental.affected_groups import has_spans, only_affected, rows_of_affected
from warehouse.lake import Lake, quoted
from warehouse.lake.target import names_of, same_identity
from warehouse.statements import reading
from warehouse.tables import REASONS, Table

RESULT = "result"
"""The temporary table of the computed rows, with the columns of the table. Only `compute` and `exclude` write it."""
REJECTED = "rejected"
"""The temporary table of the computed rows that fail a row check, with the names of the checks."""
ARRIVAL = "received_at"
"""The column that shows which of two events with one id and different times arrived first."""
DUPLICATE_ID = "duplicate event id with another time"


def over(lake: Lake, table: Table, rows: Mapping[str, str]) -> str:
    """The table's SELECT over these rows, queries by input. It reads them from views named like the inputs."""
    for source, query in rows.items():
        lake.connection.execute(f'create or replace temp view "{source}" as {query}')
    return reading(table.sql, {source: f'temp."{source}"' for source in rows})


def over_affected(lake: Lake, table: Table) -> str:
    """The table's SELECT over the rows of the groups to compute."""
    rows = {source: rows_of_affected(lake, source, groupings) for source, groupings in table.affects.items()}
    sql = over(lake, table, rows)
    return only_affected(table, sql) if has_spans(table) else sql


def compute(lake: Lake, table: Table, sql: str) -> None:
    """Put the rows of a SELECT into `RESULT`, and those that fail a row check into `REJECTED` instead.

    Raises:
        Terminal: it yields a key more than once.
    """
    lake.connection.execute(f"create or replace temp table {RESULT} as {sql}")
    if table.quarantine is not None:
        failed = {"key is not set": " or ".join(f'"{column}" is null' for column in table.identity)}
        failed |= {name: f"not ({check})" for name, check in table.row_checks.items()}
        if table.event_key:
            order = names_of(dict.fromkeys((ARRIVAL, *table.event_key)))
            failed[DUPLICATE_ID] = f"row_number() over (partition by {names_of(table.key)} order by {order}) > 1"
        reasons = ", ".join(f"case when {test} then {quoted(name)} end" for name, test in failed.items())
        lake.connection.execute(
            f"create or replace temp table {REJECTED} as select * from (select *, list_filter([{reasons}],"
            f" lambda each: each is not null) as {REASONS} from {RESULT}) where len({REASONS}) > 0"
        )
        exclude(lake, REJECTED, same_identity(RESULT, REJECTED, table.identity))
    identity = names_of(table.identity)
    twice = lake.value(f"select count(*) from (select 1 from {RESULT} group by {identity} having count(*) > 1)")
    if twice:
        raise Terminal(
            f"The SELECT of {table.qualified} yields {twice} keys ({identity}) more than once.",
            remedy=f"Correct {table.schema}/{table.name}.sql; the table is as it was.",
        )


def reject(lake: Lake, reason: str, rows: str, condition: str) -> None:
    """Move the computed rows that match one of `rows` by a condition to `REJECTED`."""
    lake.connection.execute(
        f"insert into {REJECTED} select *, [{quoted(reason)}] from {RESULT} semi join {rows} on {condition}"
    )
    exclude(lake, rows, condition)


def exclude(lake: Lake, rows: str, condition: str) -> None:
    """Drop the computed rows that match one of `rows` by a condition."""
    lake.connection.execute(f"delete from {RESULT} using {rows} where {condition}")
