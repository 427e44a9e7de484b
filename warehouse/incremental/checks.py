"""The checks of the tables: keys, columns, row checks, audits, anomalies and foreign keys.

A table's own checks are part of its build and cover the rows just computed, so their cost is proportional to the change
set. A blocking check that fails rolls the build back. Foreign keys are checked once both tables are built. The last
results are stored in `meta.checks`; a table that did not change is not checked again. The checks over all rows are in
`headrace.warehouse.quality.audit`.
"""

# ruff: noqa: S608  the only names put into SQL are those of the tables declared in this package

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from headrace.warehouse.incremental.affected_groups import time_ranges
from headrace.warehouse.incremental.anomaly_check import WEEKS, judge
from headrace.warehouse.incremental.compute import RESULT
from headrace.warehouse.lake import Lake, quoted
from headrace.warehouse.tables import REASONS, Reference, Table

_CREATE = """
create table meta.checks (
    table_name varchar, check_name varchar, passed boolean, is_blocking boolean, violations bigint,
    description varchar, details varchar, snapshot_id bigint, checked_at timestamptz
);
comment on table meta.checks is 'The last result of every check of a table.';
"""


@dataclass(frozen=True)
class Check:
    """A check of a table. If a blocking check fails, the build is rolled back."""

    name: str
    description: str
    is_blocking: bool = False
    is_warning: bool = False
    """Whether a failure is a warning about the data rather than an error of the platform."""


class Outcome(NamedTuple):
    """The outcome of a check. `violations` counts the offending keys or rows; `metadata` has all counts."""

    passed: bool
    description: str
    violations: int
    metadata: dict[str, int | str]


@dataclass(frozen=True)
class CheckResult:
    """The outcome of a check, with the check."""

    check: Check
    passed: bool
    description: str
    violations: int
    metadata: dict[str, int | str]


class _Kept(NamedTuple):
    """A stored result, and its snapshot."""

    snapshot_id: int
    outcome: Outcome


def checks_of(table: Table) -> tuple[Check, ...]:
    """The checks that are part of a table's build."""
    checks = [
        Check(
            "key_is_unique", f"No two rows have the same {', '.join(table.key)}, and none is missing.", is_blocking=True
        )
    ]
    if not table.sql:
        return tuple(checks)
    checks.append(
        Check("columns_are_as_described", "The table has the columns that its file describes, and no others.")
    )
    if table.quarantine is not None:
        about = f"No row failed a row check: {'; '.join(table.row_checks)}."
        checks.append(Check("no_row_in_quarantine", about, is_warning=True))
    if table.anomaly_check is not None:
        about = f"The last complete {table.anomaly_check} has a usual number of rows."
        checks.append(Check("volume_is_usual", about, is_warning=True))
    checks += [Check(_slug(name), f"{name}.", is_blocking=True) for name in table.audits]
    return tuple(checks)


def reference_check_of(reference: Reference) -> Check:
    """The check of a reference."""
    columns = ", ".join(reference.columns)
    name = f"{'_and_'.join(reference.columns)}_in_{reference.to.replace('.', '_')}"
    return Check(name, f"Every {columns} is found in {reference.to}.")


def ensure(lake: Lake) -> None:
    """Create the table of results if it does not exist."""
    if "meta.checks" not in lake.columns():
        lake.write(lambda: _create(lake))


def evaluate(lake: Lake, table: Table) -> list[CheckResult]:
    """Check a table in the transaction that wrote it. The computed rows are in `RESULT`."""
    outcomes = {"key_is_unique": _key(lake, table), "columns_are_as_described": _columns(lake, table)}
    if table.quarantine is not None:
        outcomes["no_row_in_quarantine"] = _quarantine(lake, table.quarantine)
    if table.anomaly_check is not None:
        outcomes["volume_is_usual"] = _volume(lake, table, table.anomaly_check)
    for name, expression in table.audits.items():
        outcomes[_slug(name)] = _requirement(lake, table, expression)
    return [CheckResult(check, *outcomes[check.name]) for check in checks_of(table)]


def last_results(lake: Lake, table: Table) -> list[CheckResult]:
    """The stored results of a table's own checks."""
    kept = _kept(lake, table)
    return [CheckResult(check, *kept[check.name].outcome) for check in checks_of(table) if check.name in kept]


def key_check(lake: Lake, table: Table) -> CheckResult:
    """Check that every key of a table that is not built from SQL is unique and complete."""
    check = checks_of(table)[0]
    before = _kept(lake, table).get(check.name)
    if before is not None and not _changed(lake, before.snapshot_id, {table.qualified}):
        return CheckResult(check, *before.outcome)
    with lake.translated_errors():
        result = CheckResult(check, *unique_key(lake, table, table.qualified))
    lake.write(lambda: (keep(lake, {table.qualified: [result]}), lake.fence()))
    return result


def reference_checks(lake: Lake, table: Table) -> list[CheckResult]:
    """One result for each foreign key of the table: whether all rows with the columns set refer to an existing row.

    Raises:
        Transient: PostgreSQL is unavailable, or other writers were in the way at every attempt.
    """
    kept = _kept(lake, table)
    results: dict[str, CheckResult] = {}
    fresh: list[CheckResult] = []
    for reference in table.references:
        check = reference_check_of(reference)
        before = kept.get(check.name)
        if before is not None and not _changed(lake, before.snapshot_id, {table.qualified, reference.to}):
            results[check.name] = CheckResult(check, *before.outcome)
        else:
            results[check.name] = CheckResult(check, *orphans(lake, table, reference))
            fresh.append(results[check.name])
    if fresh:
        lake.write(lambda: (keep(lake, {table.qualified: fresh}), lake.fence()))
    return list(results.values())


def unique_key(lake: Lake, table: Table, rows: str) -> Outcome:
    """Whether every key in some rows is unique and complete."""
    key = ", ".join(f'"{column}"' for column in table.key)
    empty_part = " or ".join(f'"{column}" is null' for column in table.key)
    ((checked, empty),) = lake.connection.execute(
        f"select count(*), count(*) filter (where {empty_part}) from {rows}"
    ).fetchall()
    twice = lake.value(f"select count(*) from (select 1 from {rows} group by {key} having count(*) > 1)")
    about = f"{', '.join(table.key)} identifies each row of {table.qualified}"
    counts = {"rows_checked": checked, "keys_more_than_once": twice, "rows_with_an_empty_key": empty}
    return Outcome(not twice and not empty, about, twice + empty, counts)


def orphans(lake: Lake, table: Table, reference: Reference) -> Outcome:
    """Whether all rows with the columns of a foreign key set refer to an existing row."""
    pairs = list(zip(reference.columns, reference.to_columns, strict=True))
    same = " and ".join(f'source."{column}" = target."{to}"' for column, to in pairs)
    all_set = " and ".join(f'"{column}" is not null' for column, _ in pairs)
    with lake.transaction():
        rows = lake.value(f"select count(*) from {table.qualified} where {all_set}")
        lost = lake.value(
            f"select count(*) from (from {table.qualified} where {all_set}) source"
            f" anti join {reference.to} target on {same}"
        )
    about = f"{', '.join(reference.columns)} of {table.qualified} is in {reference.to}"
    counts = {"rows": rows, "rows_without_their_reference": lost, "refers_to": reference.to}
    return Outcome(not lost, about, lost, counts)


def _key(lake: Lake, table: Table) -> Outcome:
    """Groups are computed completely, so their keys are unique if those in `RESULT` are; events need a query."""
    if not table.event_key or not lake.value(f"select exists (from {RESULT})"):
        return unique_key(lake, table, RESULT)
    types = lake.types_of(RESULT)
    within = time_ranges(lake, RESULT, {name: kind for name, kind in types.items() if name in table.event_key})
    return unique_key(lake, table, f"(from {table.qualified} where {within or 'true'})")


def _columns(lake: Lake, table: Table) -> Outcome:
    names = lake.types_of(table.qualified).keys()
    wrong = sorted(set(names) ^ set(table.columns))
    about = f"not as described: {', '.join(wrong)}" if wrong else f"{len(names)} columns, all described"
    return Outcome(not wrong, about, len(wrong), {"columns": len(names)})


def _quarantine(lake: Lake, quarantine: str) -> Outcome:
    rows = lake.value(f"select count(*) from {quarantine}")
    reasons = lake.connection.execute(
        f"select reason, count(*) from (select unnest({REASONS}) as reason from {quarantine}) group by 1 order by 1"
    ).fetchall()
    found = ", ".join(f"{count} rows: {reason}" for reason, count in reasons)
    return Outcome(not rows, found or f"{quarantine} is empty", rows, dict(reasons))


def _volume(lake: Lake, table: Table, column: str) -> Outcome:
    counts = lake.connection.execute(
        f'select "{column}", count(*) from {table.qualified}'
        f' where "{column}" >= (select max("{column}") - interval {WEEKS} week - interval 1 day from {table.qualified})'
        " group by 1"
    ).fetchall()
    verdict = judge(dict(counts))
    if verdict is None:
        return Outcome(True, "no complete day yet", 0, {})
    limits = {} if verdict.low is None or verdict.high is None else {"low": verdict.low, "high": verdict.high}
    metadata = {"day": f"{verdict.day}", "rows": verdict.count, **limits}
    return Outcome(verdict.is_usual, verdict.sentence, int(not verdict.is_usual), metadata)


def _requirement(lake: Lake, table: Table, expression: str) -> Outcome:
    holds = lake.value(f"select ({expression}) is true from {table.qualified}")
    return Outcome(holds, f"{expression} {'holds' if holds else 'does not hold'}", int(not holds), {})


def _slug(name: str) -> str:
    """An audit's name in the form that Dagster requires."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _changed(lake: Lake, snapshot: int, tables: set[str]) -> bool:
    return not lake.remembers_all_since(snapshot) or bool(lake.changed_since(snapshot) & tables)


def keep(lake: Lake, results: Mapping[str, Iterable[CheckResult]]) -> None:
    """Store the results, by the table's name, in the open transaction."""
    kept = [(table, each) for table, of_table in results.items() for each in of_table]
    if not kept:
        return
    names = ", ".join(f"({quoted(table)}, {quoted(each.check.name)})" for table, each in kept)
    lake.connection.execute(f"delete from meta.checks where (table_name, check_name) in ({names})")
    snapshot = lake.snapshot()
    rows = ", ".join(
        f"({quoted(table)}, {quoted(each.check.name)}, {each.passed}, {each.check.is_blocking},"
        f" {each.violations}, {quoted(each.description)}, {quoted(json.dumps(each.metadata))}, {snapshot}, now())"
        for table, each in kept
    )
    lake.connection.execute(f"insert into meta.checks values {rows}")


def _kept(lake: Lake, table: Table) -> dict[str, _Kept]:
    return lake.remembered("checks", lambda: _read(lake)).get(table.qualified, {})


def _read(lake: Lake) -> dict[str, dict[str, _Kept]]:
    rows = lake.connection.execute(
        "select table_name, check_name, snapshot_id, passed, description, violations, details from meta.checks"
    ).fetchall()
    kept: dict[str, dict[str, _Kept]] = {}
    for table, name, snapshot, passed, description, violations, details in rows:
        outcome = Outcome(passed, description, violations, json.loads(details))
        kept.setdefault(table, {})[name] = _Kept(snapshot, outcome)
    return kept


def _create(lake: Lake) -> None:
    if "meta.checks" not in lake.columns():
        lake.connection.execute(_CREATE)
        lake.fence()
