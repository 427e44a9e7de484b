"""Rows of tests as typed rows: complete where only some columns are given, and of the types of their table."""

# ruff: noqa: S608  names and types are those of the tables, values are quoted

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, cast

import duckdb
import msgspec
from duckdb.sqltypes import DuckDBPyType

from headrace.contracts.decoding import InvalidRecord, strict_decoder
from headrace.contracts.errors import Terminal
from headrace.contracts.example_events import encoded, require_known, time_of, to_json
from headrace.contracts.topics import EVENT_TOPICS
from headrace.contracts.types import Event
from headrace.warehouse.ingest import connect_staging
from headrace.warehouse.ingest.raw import raw_table
from headrace.warehouse.lake import Lake, first_line, quoted

Row = Mapping[str, Any]

TOPIC_ID = "00000000-0000-0000-0000-000000000001"


def complete(table: str, types: Mapping[str, str], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows with all columns of a table.

    A raw table's columns are filled as if the records had landed one after the other; the columns of other tables are
    null.

    Raises:
        Terminal: there is no such column, or a row of a raw table is not a valid event.
    """
    for row in rows:
        require_known(row, types, table)
    contract = _contracts().get(table)
    if contract is None and not table.startswith("raw."):
        return [dict.fromkeys(types) | dict(row) for row in rows]
    return [dict.fromkeys(types) | _record(types, contract, row, number, table) for number, row in enumerate(rows)]


def query(lake: Lake, table: str, types: Mapping[str, str], rows: Sequence[Row]) -> str:
    """A query for rows that have all these columns. Texts are cast as DuckDB does.

    Raises:
        Terminal: a value does not fit its column.
    """
    struct = _struct(types)
    made = [_nested(row, duckdb.sqltype(struct)) for row in rows]
    text = to_json(made).decode()
    sql = f"select unnest(row) from (select unnest({quoted(text)}::json::{struct}[]) as row)"
    try:
        lake.connection.execute(f"describe {sql}")
        lake.connection.execute(sql)
    except duckdb.Error as error:
        raise Terminal(_misfit(lake, table, types, made) or f"{table}: {first_line(error)}", remedy="") from error
    return sql


def read(lake: Lake, sql: str) -> list[dict[str, Any]]:
    """The rows of a query."""
    result = lake.connection.execute(sql)
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


@cache
def _contracts() -> dict[str, type[Event]]:
    """The contracts of the tables whose rows are events."""
    raw = {raw_table(topic.name).qualified: topic.contract for topic in EVENT_TOPICS if topic.contract is not None}
    return raw | {name: staged.delivery.contract for name, staged in connect_staging.STAGED_TABLES.items()}


def _record(
    types: Mapping[str, str], contract: type[Event] | None, row: Row, number: int, table: str
) -> dict[str, Any]:
    fields = {name: value for name, value in row.items() if not name.startswith("_")}
    own = {name: value for name, value in row.items() if name.startswith("_")}
    arrived = own.get("_kafka_time") or time_of(fields, number)
    usual = {
        "_topic_id": TOPIC_ID,
        "_partition": 0,
        "_offset": number,
        "_headers": [],
        "_is_tombstone": False,
        "_kafka_time": arrived,
        "_landed_at": arrived,
    }
    if isinstance(headers := own.get("_headers"), dict):
        own["_headers"] = [{"key": key, "value": value} for key, value in headers.items()]  # pyright: ignore[reportUnknownVariableType]
    event: dict[str, Any] = {}
    if contract is not None and not own.get("_is_tombstone"):
        try:
            decoded = strict_decoder(contract)(encoded(contract, fields, number))
        except InvalidRecord as invalid:
            raise Terminal(
                f"Row {number + 1} of {table} would not land: {invalid}.", remedy="Correct the row."
            ) from None
        event = {name: _plain(getattr(decoded, name)) for name in decoded.__struct_fields__}
    return {name: value for name, value in usual.items() if name in types} | event | own


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return [msgspec.structs.asdict(each) for each in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]


def _struct(types: Mapping[str, str]) -> str:
    declared = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
    return f"STRUCT({declared})"


def _nested(value: Any, kind: DuckDBPyType) -> Any:
    """The value with all fields of its structs, which the cast from JSON requires."""
    if kind.id == "struct" and isinstance(value, Mapping):
        children = dict(kind.children)
        require_known(value, children, "the value", "field")  # pyright: ignore[reportUnknownArgumentType]
        return {name: _nested(value.get(name), child) for name, child in children.items()}  # pyright: ignore
    if kind.id == "list" and isinstance(value, list):
        ((_, child),) = kind.children
        return [_nested(each, cast("DuckDBPyType", child)) for each in value]  # pyright: ignore[reportUnknownVariableType]
    # DuckDB reads numbers of JSON as doubles, which have fewer digits than decimals.
    return str(value) if isinstance(value, int) and kind.id == "decimal" else value


def _misfit(lake: Lake, table: str, types: Mapping[str, str], rows: Sequence[Row]) -> str | None:
    """A sentence on the first value that does not fit its column."""
    for number, row in enumerate(rows):
        for name, kind in types.items():
            text = to_json(row[name]).decode()
            try:
                lake.connection.execute(f"select {quoted(text)}::json::{kind}")
            except duckdb.Error:
                return f"{table}: `{name}` of row {number + 1} is {text}, which is not a {kind}."
    return None
