"""How a raw table follows a new version of its contract, for the rows that landed before it.

A rename renames the column, a widening from a whole number to a number widens it, and a constant becomes the value of
the new column in earlier rows. What DuckLake cannot widen is kept as `<column>_before_v<version>`, and the new column
is null in earlier rows. An upcaster that is a Python function is not applied to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.contracts.types import Event
from headrace.contracts.versions import versions_of
from headrace.warehouse.lake import quoted

_WIDENED = {("BIGINT", "DOUBLE")}


@dataclass(frozen=True)
class Evolution:
    """The changes to a table: pairs of old and new name, types by column, and literals by new column.

    `renames` come first. `replaced` are renames of columns whose type cannot be widened.
    """

    renames: tuple[tuple[str, str], ...]
    replaced: tuple[tuple[str, str], ...]
    types: Mapping[str, str]
    constants: Mapping[str, str]

    @property
    def alters(self) -> bool:
        """Whether existing rows look different afterwards."""
        return bool(self.renames or self.replaced or self.types or self.constants)

    def precedes(self, file: Path, schema: pa.Schema) -> bool:
        """Whether a landed file has the columns from before these changes."""
        try:
            found = pq.read_schema(file)
        except (OSError, pa.ArrowException):
            return False  # a damaged file, which is listed as such
        retyped = {*self.types, *(old for old, _ in self.replaced)}
        return any(old in found.names and new not in found.names for old, new in self.renames) or any(
            name in found.names and found.field(name).type != schema.field(name).type for name in retyped
        )


def evolution(contract: type[Event] | None, columns: Mapping[str, str], types: Mapping[str, str]) -> Evolution:
    """The changes from a table's columns to the declared `types`, both by DuckDB's names of types."""
    missing = types.keys() - columns.keys()
    current, renames, constants = dict(columns), list[tuple[str, str]](), dict[str, Any]()
    if contract is not None:
        for _, step in versions_of(contract).described():
            for new, old in step.renames.items():
                if missing and old in current and new not in current:
                    current[new] = current.pop(old)
                    renames.append((old, new))
                if old in constants:
                    constants[new] = constants.pop(old)
            constants |= step.constants
    other = {name: kind for name, kind in types.items() if current.get(name, kind) != kind and _is_plain(kind)}
    widened = {name: kind for name, kind in other.items() if _widens(current[name], kind)}
    suffix = f"_before_v{versions_of(contract).current}" if contract is not None else ""
    return Evolution(
        renames=tuple(renames),
        replaced=tuple((name, name + suffix) for name in other if name not in widened),
        types=widened,
        constants={
            name: literal
            for name, value in constants.items()
            if name in types and name not in current and (literal := _literal(value, types[name])) is not None
        },
    )


def _is_plain(kind: str) -> bool:
    return not kind.endswith("]") and not kind.startswith("STRUCT")


def _widens(old: str, new: str) -> bool:
    return (old, new) in _WIDENED or (old.startswith("DECIMAL") and new.startswith("DECIMAL"))


def _literal(value: Any, kind: str) -> str | None:
    """A constant in SQL; None if it is not of the column's type."""
    if kind == "VARCHAR" and isinstance(value, str):
        return quoted(value)
    if kind == "BOOLEAN" and isinstance(value, bool):
        return str(value).lower()
    if kind in ("BIGINT", "DOUBLE") and isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    if kind.startswith("DECIMAL") and isinstance(value, str):
        try:
            return str(Decimal(value))
        except InvalidOperation:
            return None
    return None
