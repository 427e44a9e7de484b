"""The differences between the rows that a test expects and those that came out. Only given columns are compared."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.operations.unit_tests.notation import row_text, value_text

Row = Mapping[str, Any]
_NOTHING = object()


@dataclass(frozen=True)
class Cell:
    """A column that differs in a row."""

    column: str
    expected: Any
    actual: Any


@dataclass(frozen=True)
class RowDifference:
    """A row that differs: an expected row that is missing, one that was not expected, or one with other values."""

    expected: Row | None
    actual: Row | None
    cells: tuple[Cell, ...] = field(default=())


def compare(expected: Sequence[Row], actual: Sequence[Row], key: Sequence[str] = ()) -> list[RowDifference]:
    """The rows that differ. Rows belong together if all given columns of the key are equal, or without a key given in
    all expected rows, if most of their columns are."""
    left = list(actual)
    unmet: list[Row] = []
    for row in expected:
        found = next((each for each in left if not _cells(row, each)), None)
        if found is None:
            unmet.append(row)
        else:
            _take(left, found)
    differences: list[RowDifference] = []
    has_key = bool(key) and all(column in row for row in expected for column in key)
    for row in unmet:
        found = _partner(row, left, key if has_key else ())
        if found is None:
            differences.append(RowDifference(row, None))
        else:
            _take(left, found)
            differences.append(RowDifference(row, found, tuple(_cells(row, found))))
    return [*differences, *(RowDifference(None, row) for row in left)]


def sentences(differences: Sequence[RowDifference], key: Sequence[str], shown: Sequence[str] = ()) -> list[str]:
    """The differences as lines, row by row. `shown` are the columns that are shown of a row that was not expected."""
    lines: list[str] = []
    for each in differences:
        if each.expected is None:
            actual = each.actual or {}
            row = {name: actual[name] for name in actual if not shown or name in shown}
            lines.append(f"not expected: {row_text(row)}")
        elif each.actual is None:
            lines.append(f"missing: {row_text(each.expected)}")
        else:
            named = {name: each.expected[name] for name in key if name in each.expected} or dict(each.expected)
            lines.append(f"{row_text(named)}:")
            width = max(len(cell.column) for cell in each.cells)
            lines += [
                f"  {cell.column:{width}}  expected {value_text(cell.expected)}, was {value_text(cell.actual)}"
                for cell in each.cells
            ]
    return lines


def equal(one: Any, other: Any) -> bool:
    """Whether two values are equal; numbers with fractions up to the last of nine digits."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        # An expected struct, too, may have only the fields that matter.
        return all(equal(value, other.get(name, _NOTHING)) for name, value in one.items())  # pyright: ignore
    return bool(one == other)


def _cells(expected: Row, actual: Row) -> list[Cell]:
    return [
        Cell(name, value, actual.get(name))
        for name, value in expected.items()
        if not equal(value, actual.get(name, _NOTHING))
    ]


def _partner(row: Row, left: Sequence[Row], key: Sequence[str]) -> Row | None:
    if key:
        return next((each for each in left if all(equal(row[name], each.get(name)) for name in key)), None)
    closest = min(left, key=lambda each: len(_cells(row, each)), default=None)
    return closest if closest is not None and 2 * len(_cells(row, closest)) <= len(row) else None


def _take(rows: list[Row], row: Row) -> None:
    del rows[next(number for number, each in enumerate(rows) if each is row)]
