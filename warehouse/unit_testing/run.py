"""Runs a unit test of a table: builds it from given rows, in full and in two incremental steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from headrace.contracts.errors import Terminal
from headrace.contracts.example_events import require_known
from headrace.warehouse.incremental import engine
from headrace.warehouse.incremental.plan import Facts, make_plan
from headrace.warehouse.lake import first_line
from headrace.warehouse.lake.watermarks import Watermark
from headrace.warehouse.tables import Table, all_tables
from headrace.warehouse.unit_testing.memory import MemoryLake
from headrace.warehouse.unit_testing.rows import Row, complete, query, read
from headrace.warehouse.unit_testing.types import types

Given = Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class TableRows:
    """The rows of a table and of its quarantine, in the order of their keys."""

    table: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]


def named(name: str) -> Table:
    """A table by its name with schema.

    Raises:
        Terminal: there is no such table; it names those that are close.
    """
    tables = {each.qualified: each for each in all_tables()}
    require_known([name], tables, "The warehouse", "table")
    return tables[name]


def build(table: Table, given: Given) -> TableRows:
    """The rows of a table built in full from these rows, by input. Inputs that are not given are empty.

    Raises:
        Terminal: a row does not fit its table; or the build fails, or breaks an audit.
    """
    return _built(table, [_complete(table, given)])


def build_in_two_steps(table: Table, given: Given) -> TableRows:
    """The same, from every other row of each input first, and then incrementally from the rest.

    Audits are not evaluated: they may not hold half-way.
    """
    rows = _complete(table, given)
    halves = [{name: of[start::2] for name, of in rows.items()} for start in (0, 1)]
    return _built(replace(table, audits={}), halves)


def typed(table: Table, rows: Sequence[Row], *, quarantine: bool = False) -> list[dict[str, Any]]:
    """Expected rows, of some columns, with values of the types of a table, or of its quarantine.

    Raises:
        Terminal: there is no such column, or a value does not fit.
    """
    known = types().of(table.qualified) | ({"_reasons": "VARCHAR[]"} if quarantine else {})
    made: list[dict[str, Any]] = []
    lake = MemoryLake()
    for row in rows:
        require_known(row, known, table.qualified)
        made += read(lake, query(lake, table.qualified, {name: known[name] for name in row}, [row])) if row else [{}]
    return made


def _complete(table: Table, given: Given) -> dict[str, list[dict[str, Any]]]:
    require_known(given, table.inputs, table.qualified, "input")
    return {name: complete(name, types().of(name), given.get(name, ())) for name in table.inputs}


def _built(table: Table, steps: Sequence[Given]) -> TableRows:
    # Neither files nor a history of days: both need more than a few rows.
    table = replace(table, partition=None, anomaly_check=None)
    lake = MemoryLake()
    for name in table.inputs:
        lake.create(name, types().of(name))
    for number, step in enumerate(steps):
        since = lake.snapshot()
        lake.insert({name: query(lake, name, types().of(name), rows) for name, rows in step.items() if rows})
        try:
            _build(lake, table, since, is_first=number == 0)
        except duckdb.Error as error:
            raise Terminal(
                f"{table.qualified} cannot be built: {first_line(error)}", remedy="Correct its file, or the rows."
            ) from error
    order = ", ".join(f'"{column}"' for column in table.key)
    rejected = read(lake, f"from {table.quarantine} order by {order}") if table.quarantine else []
    return TableRows(read(lake, f"from {table.qualified} order by {order}"), rejected)


def _build(lake: MemoryLake, table: Table, since: int, *, is_first: bool) -> None:
    facts = Facts(
        snapshot=lake.snapshot(),
        existing=lake.columns().get(table.qualified),
        selected=types().of(table.qualified),
        marks={name: Watermark(name, since, table.definition, table.documentation) for name in table.inputs},
        changed=lake.changed_since(since),
        history_is_kept=True,
    )
    engine.carry_out(lake, make_plan(table, facts, full=is_first))
