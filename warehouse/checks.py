"""Checks of what the tables promise: that their keys are unique and set, and that what they refer to is there."""

# ruff: noqa: S608  the only names put into SQL are those of the tables declared in this package

from dataclasses import dataclass

from warehouse.lake import Lake
from warehouse.tables import Reference, Table


@dataclass(frozen=True)
class CheckResult:
    """The outcome of a check. `violations` counts the offending keys or rows; `metadata` has what was counted."""

    passed: bool
    description: str
    violations: int
    metadata: dict[str, int | str]


def key_check(lake: Lake, table: Table) -> CheckResult:
    """Every key of the table occurs once, and no part of it is empty."""
    key = ", ".join(f'"{column}"' for column in table.key)
    empty_part = " or ".join(f'"{column}" is null' for column in table.key)
    with lake.transaction():
        rows = lake.value(f"select count(*) from {table.qualified}")
        twice = lake.value(f"select count(*) from (select 1 from {table.qualified} group by {key} having count(*) > 1)")
        empty = lake.value(f"select count(*) from {table.qualified} where {empty_part}")
    return CheckResult(
        passed=not twice and not empty,
        description=f"{', '.join(table.key)} identifies each row of {table.qualified}",
        violations=twice + empty,
        metadata={"rows": rows, "keys_more_than_once": twice, "rows_with_an_empty_key": empty},
    )


def reference_checks(lake: Lake, table: Table) -> list[CheckResult]:
    """One result for each reference of the table: all rows with the columns set find the row they refer to."""
    return [_reference_check(lake, table, reference) for reference in table.references]


def _reference_check(lake: Lake, table: Table, reference: Reference) -> CheckResult:
    pairs = list(zip(reference.columns, reference.to_columns, strict=True))
    same = " and ".join(f'source."{column}" = target."{to}"' for column, to in pairs)
    all_set = " and ".join(f'"{column}" is not null' for column, _ in pairs)
    with lake.transaction():
        rows = lake.value(f"select count(*) from {table.qualified} where {all_set}")
        orphans = lake.value(
            f"select count(*) from (from {table.qualified} where {all_set}) source"
            f" anti join {reference.to} target on {same}"
        )
    return CheckResult(
        passed=not orphans,
        description=f"{', '.join(reference.columns)} of {table.qualified} is in {reference.to}",
        violations=orphans,
        metadata={"rows": rows, "rows_without_their_reference": orphans, "refers_to": reference.to},
    )
