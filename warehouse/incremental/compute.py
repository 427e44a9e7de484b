"""Computes a table's SELECT over some rows of its inputs, and separates the rows that fail a row check."""

# ruff: noqa: S608  names and expressions come from the tables' own files

from collections.abc import Mapping

from headrace.contracts.errors import Terminal
from headrace.warehouse.incremental.affected_groups import has_spans, only_affected, rows_of_affected
from headrace.warehouse.lake import Lake, quoted
from headrace.warehouse.lake.target import names_of, same_identity
from headrace.warehouse.statements import reading
from headrace.warehouse.tables import REASONS, Table

RESULT = "result"
"""The temporary table of the computed rows, with the columns of the table. Only this module writes it."""
REJECTED = "rejected"
"""The temporary table of the computed rows that fail a row check, with the names of the checks."""


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
        needed = dict.fromkeys((*table.identity, *table.key))
        failed = {"key is not set": " or ".join(f'"{column}" is null' for column in needed)}
        failed |= {name: f"not ({check})" for name, check in table.row_checks.items()}
        reasons = ", ".join(f"case when {test} then {quoted(name)} end" for name, test in failed.items())
        lake.connection.execute(
            f"create or replace temp table {REJECTED} as select * from (select *, list_filter([{reasons}],"
            f" lambda each: each is not null) as {REASONS} from {RESULT}) where len({REASONS}) > 0"
        )
        if lake.value(f"select exists (from {REJECTED})"):
            # By the checks, not by the key: of two rows with one key, one may pass them.
            lake.connection.execute(
                f"delete from {RESULT} where {' or '.join(f'({test}) is true' for test in failed.values())}"
            )
    identity = names_of(table.identity)
    twice = lake.value(f"select count(*) from (select 1 from {RESULT} group by {identity} having count(*) > 1)")
    if twice:
        raise Terminal(
            f"The SELECT of {table.qualified} yields {twice} keys ({identity}) more than once.",
            remedy=f"Correct {table.schema}/{table.name}.sql; the table is as it was.",
        )


def take_computed(lake: Lake, rows: str, rejected: str | None) -> None:
    """Take rows that were computed before as `RESULT` and `REJECTED`."""
    lake.connection.execute(f"create or replace temp table {RESULT} as from {rows}")
    if rejected is not None:
        lake.connection.execute(f"create or replace temp table {REJECTED} as from {rejected}")


def reject(lake: Lake, reason: str, rows: str, condition: str) -> None:
    """Move the computed rows that match one of `rows` by a condition to `REJECTED`."""
    lake.connection.execute(
        f"insert into {REJECTED} select *, [{quoted(reason)}] from {RESULT} semi join {rows} on {condition}"
    )
    lake.connection.execute(f"delete from {RESULT} using {rows} where {condition}")


def exclude(lake: Lake, table: Table, rows: str, name: str) -> None:
    """Drop the computed rows, also rejected ones, with the identity of one of `rows`, which are named `name`."""
    for computed in (RESULT, REJECTED):
        same = same_identity(computed, name, table.identity)
        lake.connection.execute(f"delete from {computed} using {rows} where {same}")
