"""Runs unit tests and compares what came out with what was expected."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from headrace.contracts.errors import HeadraceError, Terminal
from headrace.contracts.example_events import require_known, utc
from headrace.operations.unit_tests.differences import compare, sentences
from headrace.operations.unit_tests.files import UnitTest

Rows = Sequence[Mapping[str, Any]]
LETTER = ("topic", "_partition", "_offset", "category", "reason")


@dataclass(frozen=True)
class Outcome:
    """The result of a test: `problems` are lines, empty if it passed. `actual` is what came out, by part, or None if
    the test could not run; `columns` are those that its file gives of each part."""

    test: UnitTest
    problems: tuple[str, ...]
    actual: Mapping[str, Any] | None
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.problems


def run(test: UnitTest) -> Outcome:
    """Run a test. A test that is wrong itself fails, with the reason."""
    started = time.monotonic()
    try:
        outcome = _table(test) if test.kind == "table" else _processor(test)
    except HeadraceError as error:
        outcome = Outcome(test, (str(error),), None)
    return replace(outcome, seconds=time.monotonic() - started)


def _table(test: UnitTest) -> Outcome:
    from headrace.warehouse.unit_testing.run import build, build_in_two_steps, named, typed

    table = named(test.subject)
    built = build(table, test.given)
    actual = {"expect": built.table, "quarantine": built.quarantine}
    problems: list[str] = []
    for part, rows in actual.items():
        expected = typed(table, test.expected.get(part, []), quarantine=part == "quarantine")
        problems += _differences(part, expected, rows, table.key)
    stepwise = build_in_two_steps(table, test.given)
    for part, one, other in (
        ("", built.table, stepwise.table),
        (" in quarantine", built.quarantine, stepwise.quarantine),
    ):
        if found := compare(one, other, table.key):
            problems.append(f"an incremental build of the same rows gives other rows{part} than a full build:")
            problems += [f"  {line}" for line in sentences(found, table.key)]
    return Outcome(test, tuple(problems), actual)


def _processor(test: UnitTest) -> Outcome:
    from headrace.streaming.unit_testing import NOW, comparable, named
    from headrace.streaming.unit_testing import run as process

    now = NOW if test.now is None else _time(test.now)
    output = named(test.subject).output
    done = process(test.subject, test.given, now)
    actual: dict[str, Any] = {"expect": done.events, "dead_letters": done.dead_letters, "drops": dict(done.drops)}
    expected = [comparable(output, row) for row in test.expected.get("expect", [])]
    letters = test.expected.get("dead_letters", [])
    for row in letters:
        require_known(row, LETTER, "A dead letter", "column")
    problems = _differences("expect", expected, done.events, ())
    if not problems and not all(
        compare([one], [other]) == [] for one, other in zip(expected, done.events, strict=True)
    ):
        problems.append("the events are as expected, but in another order.")
    problems += _differences("dead_letters", letters, done.dead_letters, ())
    if (drops := test.expected.get("drops")) is not None and drops != actual["drops"]:
        problems += _differences("drops", [drops], [actual["drops"]], ())
    one_by_one = process(test.subject, test.given, now, one_by_one=True)
    if found := compare(done.events, one_by_one.events):
        problems.append("records processed one by one give other events than all in one batch:")
        problems += [f"  {line}" for line in sentences(found, ("_key",))]
    return Outcome(test, tuple(problems), actual)


def _differences(part: str, expected: Rows, actual: Rows, key: Sequence[str]) -> list[str]:
    found = compare(expected, actual, key)
    if not found:
        return []
    given = dict.fromkeys(name for row in expected for name in row)
    lines = sentences(found, key, [*key, *given] if given else [])
    return lines if part == "expect" else [f"{part}:", *(f"  {line}" for line in lines)]


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(utc(text))
    except ValueError as error:
        raise Terminal(f"{text!r} is not a time.", remedy="Write it like 2026-01-01T12:00:00Z.") from error
    return time.astimezone(UTC)
