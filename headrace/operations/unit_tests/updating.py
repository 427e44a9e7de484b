"""Writes what came out of failed tests into their files as expected, marked for review. The rest stays as it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headrace.operations.unit_tests.files import REVIEW, UnitTest
from headrace.operations.unit_tests.notation import row_text
from headrace.operations.unit_tests.running import Outcome


def update(path: Path, outcomes: Sequence[Outcome]) -> int:
    """Write the results of the failed tests of a file; returns how many tests were changed.

    A part keeps the columns that its rows give now; a new one gets those that are set.
    """
    changed = [each for each in outcomes if not each.passed and each.actual is not None]
    if not changed:
        return 0
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    # From the end, so that the places of earlier tests stay right.
    for outcome in sorted(changed, key=lambda each: each.test.line, reverse=True):
        _rewrite(lines, outcome)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(changed)


def _rewrite(lines: list[str], outcome: Outcome) -> None:
    test, actual = outcome.test, outcome.actual or {}
    parts = [
        part for part, rows in actual.items() if part == "expect" or part in test.places or (rows and part != "drops")
    ]
    end = max((last for _, last, _ in test.places.values()), default=None)
    column = min((column for _, _, column in test.places.values()), default=None)
    if end is None or column is None:
        # A test without any expectation: its parts go after its last line.
        end, column = _end_of(lines, test), _column_of(lines, test)
    new = [part for part in parts if part not in test.places]
    insertion = [line for part in new for line in _part(test, part, actual[part], column)]
    edits = [(end + 1, end, insertion)] if insertion else []
    edits += [
        (first, last, _part(test, part, actual[part], indent))
        for part, (first, last, indent) in test.places.items()
        if part in parts
    ]
    for first, last, text in sorted(edits, key=lambda edit: edit[0], reverse=True):
        lines[first : last + 1] = text


def _part(test: UnitTest, part: str, actual: Any, column: int) -> list[str]:
    indent = " " * column
    if part == "drops":
        return [f"{indent}drops: {row_text(actual)}  {REVIEW}"]
    if not actual:
        return [f"{indent}{part}: []  {REVIEW}"]
    given = dict.fromkeys(name for row in test.expected.get(part, []) for name in row)
    return [f"{indent}{part}:  {REVIEW}", *(f"{indent}  - {row_text(_shown(row, list(given)))}" for row in actual)]


def _shown(row: Mapping[str, Any], given: Sequence[str]) -> dict[str, Any]:
    if given:
        return {name: row.get(name) for name in given}
    return {name: value for name, value in row.items() if value is not None}


def _end_of(lines: Sequence[str], test: UnitTest) -> int:
    """The last line of a test: before the next one, without blank lines."""
    dash = lines[test.line - 1].index("-")
    end = test.line - 1
    for number in range(test.line, len(lines)):
        line = lines[number]
        if line.strip() and len(line) - len(line.lstrip()) <= dash:
            break
        if line.strip():
            end = number
    return end


def _column_of(lines: Sequence[str], test: UnitTest) -> int:
    line = lines[test.line - 1]
    return len(line) - len(line.lstrip(" -"))
