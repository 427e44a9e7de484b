"""SQL queries on the warehouse, and their results as text or JSON, exactly as stored. Read-only."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.warehouse.lake import Lake
from headrace.warehouse.query.exact_values import IN_PYTHON, question
from headrace.warehouse.query.read_only import only_reading

BATCH_ROWS = 2_048
PYTHON_VALUES: frozenset[str] = frozenset()
"""For callers that compute with dates and times: no type is returned as text."""
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters of a formula (OWASP, CSV injection); the last four are full-width forms of the first four."""
# DuckDB's own `show tables` lists one schema only, and the default schema has no tables.
_SHOW_TABLES = re.compile(r"\s*show\s+tables\s*;?\s*", re.IGNORECASE)
_TABLES = """
select schema_name as "schema", table_name as "table", comment from duckdb_tables()
where database_name = current_database() and not internal order by all
"""


@dataclass(frozen=True)
class Answer:
    """The columns' names and DuckDB types, and the rows."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def run(settings: Settings, sql: str, at: str | None = None) -> Answer:
    """Run one SQL statement on the lake as it is now, or was `at` a time. All rows are held in memory.

    Raises:
        Transient: PostgreSQL is unavailable.
        Terminal: nothing has been built yet, no snapshot of then is kept, or the statement is wrong or not read-only.
    """
    with Lake.open(settings, read_only=True, at=at) as lake:
        columns, types, rows = ask(lake, sql, PYTHON_VALUES)
        return Answer(columns, types, list(rows))


def ask(
    lake: Lake, sql: str, as_text_kinds: frozenset[str] = IN_PYTHON
) -> tuple[tuple[str, ...], tuple[str, ...], Iterator[tuple[Any, ...]]]:
    """Same as `run`, but streams the rows, for results of any size, until the lake runs another statement."""
    with lake.translated_errors():
        try:
            asked = question(lake.connection, reading(lake.connection, sql), as_text_kinds)
            answered = lake.connection.execute(asked.sql)
        except duckdb.Error as error:
            raise _explained(lake, error) from error
    return asked.columns, asked.types, asked.rows(_rows(lake, answered))


def reading(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The statement to run, if it is a single one that only reads. `show tables` lists the tables of every schema.

    Raises:
        Terminal: it is more than one statement, or does more than read.
        duckdb.ParserException: it is not SQL.
    """
    return only_reading(connection, _TABLES if _SHOW_TABLES.fullmatch(sql) else sql)


def _rows(lake: Lake, answered: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    try:
        while batch := answered.fetchmany(BATCH_ROWS):
            yield from batch
    except duckdb.Error as error:
        raise _explained(lake, error) from error


def _explained(lake: Lake, error: duckdb.Error) -> Exception:
    """The error with a one-line message; an error of a lost server is returned as `Transient`."""
    try:
        with lake.translated_errors():
            raise error
    except duckdb.Error:
        # Without the excerpt of the statement that DuckDB adds.
        message = " ".join(str(error).split("\n\nLINE ", 1)[0].split())
        return Terminal(
            f"{message.rstrip('.!?')}.",
            remedy="`show tables` lists the tables, `describe marts.sales_daily` a table's columns.",
        )
    except Exception as translated:  # noqa: BLE001  the caller raises it
        return translated


def as_text(value: Any) -> str:
    """A value as it is stored: every digit of a decimal, times in UTC as RFC 3339, bytes in DuckDB's escapes."""
    match value:
        case None:
            text = ""
        case bool():
            text = str(value).lower()
        case Decimal():
            text = f"{value:f}"
        case datetime():
            text = _time(value)
        case bytes():
            text = _escaped(value)
        case dict() | list() | tuple():
            text = as_json(value)
        case _:
            text = str(value)
    return text


def as_cell(value: Any) -> str:
    """Same as `as_text`, for a spreadsheet: text that would be read as a formula gets a leading apostrophe."""
    text = as_text(value)
    is_number = isinstance(value, bool | int | float | Decimal)
    return f"'{text}" if not is_number and text.lstrip(" ").startswith(_FORMULAS) else text


def as_json(value: Any) -> str:
    """A value as JSON (RFC 8259).

    Decimals are strings, as in the events, since many JSON parsers would round them; whole decimals and all integers
    are numbers. Times are strings, and so are NaN and infinities, which JSON lacks.
    """
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return int(value) if value.as_tuple().exponent == 0 else as_text(value)
        case dict():
            return {str(name): _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return as_text(value)


def _time(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(sep=" ")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _escaped(value: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 and byte != ord("\\") else f"\\x{byte:02X}" for byte in value)
