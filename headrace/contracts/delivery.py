"""What Kafka Connect delivers into PostgreSQL: the tables, what writes and reads them, and the Connect schemas.

A delivered row is a record of the topic: the columns of its contract and the position of the record. This module only
generates SQL text; it does not run it.
"""

from dataclasses import dataclass
from typing import Any

from headrace.contracts.fields import Field, fields_of
from headrace.contracts.topics import TOPICS
from headrace.contracts.types import MONEY_SCALE, Event, money_pattern

TOPIC_ID, PARTITION, OFFSET, STORED_AT = "_topic_id", "_partition", "_offset", "_stored_at"
POSITION_COLUMNS = {
    TOPIC_ID: ("uuid", "Kafka's id of the topic; changes when recreated."),
    PARTITION: ("integer", "Partition of the record."),
    OFFSET: ("bigint", "Offset of the record in its partition."),
}
"""Type and description of the columns that identify a row's record. Connect adds them, PostgreSQL adds the others."""
CONNECTOR_PREFIX = "headrace."
"""Connectors with this prefix belong to Headrace. A worker may have others."""
EARLIEST, LATEST = "_earliest", "_latest"
"""The columns with the earliest and latest event time of all records with the row's key."""

_POSTGRES = {
    "string": "text",
    "integer": "bigint",
    "number": "double precision",
    "boolean": "boolean",
    "time": "timestamptz",
}
_CONNECT = {"string": "string", "integer": "int64", "number": "double", "boolean": "boolean"}


@dataclass(frozen=True)
class Delivery:
    """A topic that Connect delivers into `schema.table`: one row per value of `key`, its latest record.

    `loaded_into` is the warehouse table that is loaded from it, if any.
    """

    topic: str
    schema: str
    key: str
    loaded_into: str | None = None

    @property
    def table(self) -> str:
        return self.topic

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.table}"

    @property
    def connector(self) -> str:
        """The connector that writes the table."""
        return f"{CONNECTOR_PREFIX}{self.qualified}"

    @property
    def contract(self) -> type[Event]:
        contract = TOPICS[self.topic].contract
        if contract is None:
            raise TypeError(f"{self.topic} has no contract")
        return contract


SERVING = Delivery("customer_behavior", "serving", "customer_id")
"""For applications: the current scores of each customer."""
STAGING = Delivery("customer_sentiment", "staging", "event_id", loaded_into="core.sentiment")
"""For the warehouse, which loads `core.sentiment` from it."""
DELIVERIES: dict[str, Delivery] = {each.topic: each for each in (SERVING, STAGING) if each.topic in TOPICS}
"""Those whose topic belongs to an active package."""


def connect_schema(contract: type[Event]) -> dict[str, Any]:
    """The contract as a Connect schema, in the JSON form of Kafka's JsonConverter.

    Money and times are strings, which PostgreSQL casts exactly. Constraints beyond types are in `parameters`.

    Raises:
        TypeError: the contract has a list, which cannot be stored in a column.
    """
    return {
        "type": "struct",
        "name": contract.__name__,
        "optional": False,
        "fields": [_connect_field(field) for field in fields_of(contract)],
    }


def _connect_field(field: Field) -> dict[str, Any]:
    if field.kind == "list":
        raise TypeError(f"{field.name} is a list, which Connect cannot deliver into a table")
    described: dict[str, Any] = {
        "field": field.name,
        "type": _CONNECT.get(field.kind, "string"),
        "optional": field.nullable,
    }
    if not field.required and field.default is not None:
        described["default"] = field.default
    parameters = {
        "kind": field.kind if field.kind in ("money", "time") else None,
        "pattern": None if field.digits is None else money_pattern(field.digits),
        "minimum": field.minimum,
        "maximum": field.maximum,
        "min_length": field.min_length,
        "max_length": field.max_length,
        "choices": "|".join(field.choices) if field.choices is not None else None,
    }
    if given := {name: str(value) for name, value in parameters.items() if value is not None}:
        described["parameters"] = given
    return described


def columns(delivery: Delivery) -> dict[str, tuple[str, str]]:
    """PostgreSQL type and description of each column, by name; the position columns come last."""
    of_contract = {field.name: (_postgres_type(field), field.description) for field in fields_of(delivery.contract)}
    return of_contract | POSITION_COLUMNS


def _postgres_type(field: Field) -> str:
    return _POSTGRES[field.kind] if field.digits is None else f"numeric({field.digits}, {MONEY_SCALE})"


def table_sql(delivery: Delivery) -> str:
    """Statements that create the table, or add missing columns. They are idempotent.

    A row never reverts to an earlier record of its key. A zombie task, or one that restarts from an earlier offset, may
    write records that are older than the row: the trigger skips them.
    """
    required = {field.name for field in fields_of(delivery.contract) if not field.nullable} | POSITION_COLUMNS.keys()
    table, guard = delivery.qualified, f"{delivery.schema}.keep_latest()"
    described = columns(delivery)
    statements = [
        f"create schema if not exists {delivery.schema}",
        f"create table if not exists {table} ({delivery.key} text primary key)",
        *(
            f"alter table {table} add column if not exists {name} {kind}{' not null' if name in required else ''}"
            for name, (kind, _) in described.items()
        ),
        # An amount may have more digits than before; otherwise this does nothing.
        *(
            f"alter table {table} alter column {field.name} type {_postgres_type(field)}"
            for field in fields_of(delivery.contract)
            if field.digits is not None
        ),
        f"alter table {table} add column if not exists {STORED_AT} timestamptz not null default clock_timestamp()",
        f"alter table {table} add column if not exists {EARLIEST} timestamptz",
        f"alter table {table} add column if not exists {LATEST} timestamptz",
        f"create index if not exists {delivery.table}_position on {table} ({TOPIC_ID}, {PARTITION}, {OFFSET})",
        f"create index if not exists {delivery.table}_stored_at on {table} ({STORED_AT})",
        _GUARD.format(name=guard),
        f"{_TRIGGER} on {table} for each row execute function {guard}",
        *(f"comment on column {table}.{name} is {_quoted(about)}" for name, (_, about) in described.items()),
        f"comment on column {table}.{STORED_AT} is 'When the row was stored, by this server''s clock.'",
        f"comment on column {table}.{EARLIEST} is 'The earliest event time of any record with the key.'",
        f"comment on column {table}.{LATEST} is 'The latest event time of any record with the key.'",
        f"comment on table {table} is {_quoted(f'The latest record of {delivery.topic} per {delivery.key}.')}",
    ]
    return ";\n".join(statements)


_TRIGGER = "create or replace trigger keep_latest before insert or update"
_GUARD = f"""create or replace function {{name}} returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.{TOPIC_ID} = old.{TOPIC_ID} and new.{PARTITION} = old.{PARTITION}
        and new.{OFFSET} < old.{OFFSET} then
        return null;
    end if;
    new.{EARLIEST} := new.event_time;
    new.{LATEST} := new.event_time;
    if tg_op = 'UPDATE' then
        new.{EARLIEST} := least(old.{EARLIEST}, old.event_time, new.event_time);
        new.{LATEST} := greatest(old.{LATEST}, old.event_time, new.event_time);
    end if;
    new.{STORED_AT} := clock_timestamp();
    return new;
end $$"""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
