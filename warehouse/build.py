"""The steps of a build: register a topic's files, load delivered rows, update tables. The tables of one level are built
together, or each alone if that fails.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import duckdb

from headrace.contracts.errors import HeadraceError, Terminal, Transient
from headrace.contracts.landing import landing_schema
from headrace.contracts.topics import TOPICS
from headrace.warehouse.catalog import lineage as lineages
from headrace.warehouse.catalog.lineage import Column
from headrace.warehouse.incremental import checks as table_checks
from headrace.warehouse.incremental import engine, failing_groups
from headrace.warehouse.incremental.checks import CheckResult, key_check, last_results
from headrace.warehouse.incremental.facts import has_work
from headrace.warehouse.ingest import connect_staging, raw
from headrace.warehouse.ingest.raw import described
from headrace.warehouse.lake import Lake, first_line
from headrace.warehouse.lake.target import Changes
from headrace.warehouse.publication import failures
from headrace.warehouse.tables import Table, all_tables
from headrace.warehouse.tables import table as table_named
from headrace.warehouse.time_travel import holds


@dataclass(frozen=True)
class BuildResult:
    """The result of a step. `rows` counts the rows of the table, `quarantined` those of its quarantine.

    `columns` are names, types and descriptions, `lineage` is what each of them is computed from; `checks` are the
    latest results of the table's own checks. A `held` table was not built, because it was rolled back
    (`headrace.warehouse.time_travel.holds`).
    """

    table: str
    rows: int
    inserted: int
    updated: int
    deleted: int
    snapshot: int
    seconds: float
    columns: list[tuple[str, str, str]]
    lineage: dict[str, tuple[Column, ...]]
    quarantined: int = 0
    checks: tuple[CheckResult, ...] = ()
    held: bool = False


def register(lake: Lake, topic_name: str) -> BuildResult:
    """Register the files of a topic that landed since the last call in its raw table and its quarantine.

    The counts are those of the raw table. Raises the errors of `headrace.warehouse.ingest.raw.register`.
    """
    with _noted(lake, raw.raw_table(topic_name).qualified):
        (result,) = register_together(lake, [topic_name])
    return result


def register_together(lake: Lake, topic_names: Sequence[str]) -> list[BuildResult]:
    """Same as `register`, for several topics in one transaction; if one of them fails, none is registered."""
    started = time.monotonic()
    with lake.translated_errors():
        lake.expect(0)
        inserted = raw.register(lake, topic_names)
        failures.clear(lake, [raw.raw_table(name).qualified for name in topic_names])
        lake.expect(sum(inserted.values()))
    seconds = (time.monotonic() - started) / len(topic_names)
    with lake.transaction():
        return [
            replace(_registered(lake, topic_name, inserted.get(topic_name, 0)), seconds=seconds)
            for topic_name in topic_names
        ]


def _registered(lake: Lake, topic_name: str, inserted: int) -> BuildResult:
    about = {field.name: described(field) for field in landing_schema(TOPICS[topic_name])}
    return _result(lake, raw.raw_table(topic_name).qualified, about, Changes(inserted=inserted), {})


def load(lake: Lake, table_name: str) -> BuildResult:
    """Load the rows that Connect delivered since the last call into a table of
    `headrace.warehouse.ingest.connect_staging`.

    Raises:
        Transient: PostgreSQL is unavailable.
        KeyError: there is no such table.
    """
    started = time.monotonic()
    known = connect_staging.STAGED_TABLES[table_name]
    _prepare(lake)
    with lake.translated_errors():
        loaded = connect_staging.load(lake, known)
    changes = Changes(inserted=loaded.inserted, updated=loaded.updated)
    checked = [key_check(lake, known.table)]
    with lake.transaction():
        result = _result(lake, table_name, known.table.columns, changes, {}, checks=checked)
    return replace(result, seconds=time.monotonic() - started)


def build(lake: Lake, table_name: str, full: bool = False) -> BuildResult:
    """Update a table of `core` or `marts` from the changes of its inputs, or with `full` from all of their rows.

    Raises:
        Transient: PostgreSQL is unavailable, or other writers were in the way at every attempt.
        Blocked: a blocking check failed; the error has the results of the checks.
        Terminal: the table's file has an error.
        KeyError: there is no such table.
    """
    with _noted(lake, table_name):
        (result,) = build_together(lake, [table_name], full)
    return result


Outcome = BuildResult | HeadraceError
"""A step's result, or the error that it failed with."""


def register_level(lake: Lake, topic_names: Sequence[str]) -> Iterator[tuple[str, Outcome]]:
    """Register several topics together or, if that fails, each alone.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    return _together_or_alone(topic_names, partial(register_together, lake), partial(register, lake))


def build_level(lake: Lake, table_names: Sequence[str]) -> Iterator[tuple[str, Outcome]]:
    """Build tables that do not read each other, together or, if that fails, each alone.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    return _together_or_alone(table_names, partial(build_together, lake), partial(build, lake))


def next_level(waiting: Collection[str | None]) -> list[Table]:
    """The waiting tables that read no other waiting table."""
    names = set(waiting)
    return [table for table in all_tables() if table.qualified in names and names.isdisjoint(table.inputs)]


def _together_or_alone(
    names: Sequence[str],
    together: Callable[[Sequence[str]], list[BuildResult]],
    alone: Callable[[str], BuildResult],
) -> Iterator[tuple[str, Outcome]]:
    """Run steps in one transaction: most of the cost of a small build is the same for one table as for ten.

    If that fails, run them one by one to find the one that fails. Each outcome is yielded once its step is committed,
    so completed steps are reported even if PostgreSQL is lost during the next one.
    """
    if len(names) > 1:
        try:
            results = together(names)
        except Transient:
            raise
        except HeadraceError:
            pass
        else:
            yield from zip(names, results, strict=True)
            return
    for name in names:
        try:
            outcome: Outcome = alone(name)
        except Transient:
            raise
        except HeadraceError as error:
            outcome = error
        yield name, outcome


@contextmanager
def _noted(lake: Lake, table_name: str) -> Iterator[None]:
    """Record a failed build of the table, so that the published file shows since when its rows are incomplete."""
    try:
        yield
    except Transient:
        raise
    except HeadraceError as error:
        failures.note(lake, table_name, failures.published_reason(error))
        raise


def build_together(lake: Lake, table_names: Sequence[str], full: bool = False) -> list[BuildResult]:
    """Same as `build`, for tables that do not read each other, in one transaction with one commit.

    If one of them fails, none is built.
    """
    started = time.monotonic()
    tables = {name: table_named(name) for name in table_names}
    results: dict[str, BuildResult] = {}
    due: list[Table] = []
    with lake.translated_errors():
        _prepare(lake)
    try:
        # One transaction for all queries: outside of one, each would first read the current snapshot from the catalog.
        with lake.transaction():
            for name, table in tables.items():
                held = holds.is_held(lake, table)
                if not held and (full or has_work(lake, table)):
                    due.append(table)
                else:
                    results[name] = replace(_built(lake, table, engine.Built()), held=held)
        if due:
            built = _bring_up_to_date(lake, due, full=full)
            failures.clear(lake, [table.qualified for table in due])
            with lake.transaction():
                results |= {table.qualified: _built(lake, table, of) for table, of in zip(due, built, strict=True)}
    except duckdb.Error as error:
        raise Terminal(
            f"Building {', '.join(table_names)} failed: {first_line(error)}",
            remedy="Its rows are unchanged; correct the cause and build again.",
        ) from error
    seconds = (time.monotonic() - started) / len(tables)
    return [replace(results[name], seconds=seconds) for name in table_names]


def _bring_up_to_date(lake: Lake, due: Sequence[Table], *, full: bool) -> list[engine.Built]:
    try:
        return lake.write(lambda: _write(lake, due, full=full))
    except failing_groups.DATA_ERRORS as error:
        if len(due) > 1:
            raise  # the tables are then built one by one
        with lake.lock.held():
            failing_groups.find(lake, due[0], full=full, cause=error)
            return lake.write(lambda: _write(lake, due, full=full, leave_out_failing=True))


def _write(lake: Lake, due: Sequence[Table], *, full: bool, leave_out_failing: bool = False) -> list[engine.Built]:
    """Update tables and store the lineage of those that are new or redefined, in one transaction."""
    built = engine.bring_up_to_date(lake, due, full=full, leave_out_failing=leave_out_failing)
    for table, each in zip(due, built, strict=True):
        if each.redefined:
            lineages.keep(lake, table)
    return built


def _prepare(lake: Lake) -> None:
    """Create the tables that every build stores its results in, if they do not exist."""
    raw.ensure(lake)
    table_checks.ensure(lake)
    lineages.ensure(lake)


def _built(lake: Lake, table: Table, built: engine.Built) -> BuildResult:
    origins = lineages.kept(lake, table)
    quarantined = lake.rows()[table.quarantine] if table.quarantine else 0
    checks = last_results(lake, table) if built.checks is None else built.checks
    return _result(lake, table.qualified, table.columns, built.changes, origins, quarantined, checks)


def _result(
    lake: Lake,
    name: str,
    about: Mapping[str, str],
    changes: Changes,
    lineage: dict[str, tuple[Column, ...]],
    quarantined: int = 0,
    checks: Sequence[CheckResult] = (),
) -> BuildResult:
    """The table as it is now. The caller sets how long it took."""
    types = lake.columns()[name]
    snapshot = lake.snapshot()
    return BuildResult(
        table=name,
        rows=lake.rows()[name],
        inserted=changes.inserted,
        updated=changes.updated,
        deleted=changes.deleted,
        snapshot=snapshot,
        seconds=0.0,
        lineage=lineage,
        quarantined=quarantined,
        checks=tuple(checks),
        columns=[(column, kind, about.get(column, "")) for column, kind in types.items()],
    )
