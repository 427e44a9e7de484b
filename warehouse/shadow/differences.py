"""What differs between a table and its shadow: rows added, removed and changed, and values by column."""

# ruff: noqa: S608  names come from the tables' own files

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.warehouse.lake import CATALOG, Lake
from headrace.warehouse.tables import Table

EXAMPLES = 3
"""Rows that are shown of each kind."""
DIFFERENCES = "shadow_differences"
"""The temporary table of the rows that differ, before and after."""
_IN = "_is_in"


@dataclass(frozen=True)
class ChangedRow:
    """An example of a changed row: its key, and the values before and after of the columns that differ."""

    key: Mapping[str, Any]
    values: Mapping[str, tuple[Any, Any]]


@dataclass
class Differences:
    """Counts of rows, and of values that differ by column, with examples. `retyped` has types before and after."""

    before: int = 0
    after: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    values: dict[str, int] = field(default_factory=dict[str, int])
    new_columns: list[str] = field(default_factory=list[str])
    dropped_columns: list[str] = field(default_factory=list[str])
    retyped: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    examples: list[ChangedRow] = field(default_factory=list[ChangedRow])
    added_examples: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    removed_examples: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def any(self) -> bool:
        """Whether rows or columns differ."""
        return bool(self.added or self.removed or self.changed or self.new_columns or self.dropped_columns)


def compare(lake: Lake, table: Table, shadow: str) -> Differences:
    """Compare a table with its shadow. Rows with the same key are the same row."""
    after = lake.types_of(shadow)
    before = lake.columns().get(table.qualified, {})
    found = Differences(after=lake.value(f"select count(*) from {shadow}"))
    if not before:
        found.added = found.after
        return found
    found.before = lake.value(f"select count(*) from {CATALOG}.{table.qualified}")
    found.new_columns = [name for name in after if name not in before]
    found.dropped_columns = [name for name in before if name not in after]
    common = [name for name in after if name in before]
    found.retyped = {name: (before[name], after[name]) for name in common if before[name] != after[name]}
    if not set(table.identity) <= set(common):
        # Another key: no row is the same as before.
        found.added, found.removed = found.after, found.before
        return found
    _compare_rows(lake, table, shadow, common, found)
    return found


def _compare_rows(lake: Lake, table: Table, shadow: str, common: list[str], found: Differences) -> None:
    compared = [name for name in common if name not in table.identity]
    tests = {name: _differs(name, found.retyped.get(name)) for name in compared}
    same = " and ".join(f'before."{name}" is not distinct from after."{name}"' for name in table.identity)
    both = f"before.{_IN} and after.{_IN}"
    columns = "".join(f', {test} as "differs {name}"' for name, test in tests.items())
    lake.connection.execute(
        f"create or replace temp table {DIFFERENCES} as"
        f" select before, after, before.{_IN} is null as is_added, after.{_IN} is null as is_removed{columns}"
        f" from (select *, true as {_IN} from {CATALOG}.{table.qualified}) before"
        f" full join (select *, true as {_IN} from {shadow}) after on {same}"
        f" where not coalesce({both}, false) or {' or '.join(tests.values()) or 'false'}"
    )
    changed = "not is_added and not is_removed"
    counts = "".join(f', count(*) filter ({changed} and "differs {name}")' for name in compared)
    ((found.added, found.removed, found.changed, *values),) = lake.connection.execute(
        f"select count(*) filter (is_added), count(*) filter (is_removed), count(*) filter ({changed}){counts}"
        f" from {DIFFERENCES}"
    ).fetchall()
    found.values = {name: count for name, count in zip(compared, values, strict=True) if count}
    found.examples = _examples(lake, table, compared)
    found.added_examples = _keys(lake, table, "after", "is_added")
    found.removed_examples = _keys(lake, table, "before", "is_removed")
    lake.connection.execute(f"drop table {DIFFERENCES}")


def _differs(name: str, types: tuple[str, str] | None) -> str:
    cast = "" if types is None or all(map(_is_number, types)) else "::varchar"
    return f'(before."{name}"{cast} is distinct from after."{name}"{cast})'


def _is_number(kind: str) -> bool:
    return kind.startswith(("DECIMAL", "DOUBLE", "FLOAT")) or kind.endswith("INT") or kind == "INTEGER"


def _examples(lake: Lake, table: Table, compared: list[str]) -> list[ChangedRow]:
    key = ", ".join(f'after."{name}"' for name in table.key)
    values = "".join(f', "differs {name}", before."{name}", after."{name}"' for name in compared)
    rows = lake.connection.execute(
        f"select {key}{values} from {DIFFERENCES} where not is_added and not is_removed order by {key} limit {EXAMPLES}"
    ).fetchall()
    found: list[ChangedRow] = []
    for row in rows:
        keys, rest = row[: len(table.key)], row[len(table.key) :]
        differing = {
            name: (rest[3 * number + 1], rest[3 * number + 2])
            for number, name in enumerate(compared)
            if rest[3 * number]
        }
        found.append(ChangedRow(dict(zip(table.key, keys, strict=True)), differing))
    return found


def _keys(lake: Lake, table: Table, side: str, condition: str) -> list[dict[str, Any]]:
    key = ", ".join(f'{side}."{name}"' for name in table.key)
    rows = lake.connection.execute(
        f"select {key} from {DIFFERENCES} where {condition} order by {key} limit {EXAMPLES}"
    ).fetchall()
    return [dict(zip(table.key, row, strict=True)) for row in rows]
