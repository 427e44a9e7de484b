"""One record of a file: a row, a JSON object. Files of all formats are read into these."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct


class Record(Struct, frozen=True, gc=False):
    """One record, with its values by column. `error` says why it cannot be used; `size` is given where `raw` is cut."""

    number: int
    raw: bytes
    values: Mapping[str, Any]
    error: str | None = None
    size: int | None = None
    is_header: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether no column has a value."""
        return self.error is None and not any(map(_has_value, self.values.values()))


class Table(Struct, frozen=True):
    """An open file: its columns, as far as its format has any, and its records."""

    format: str
    columns: list[str]
    records: Iterator[Record]
    notes: dict[str, Any]
    """What the reader detected, such as the delimiter: for a first mapping."""


def _has_value(value: object) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value is not None
