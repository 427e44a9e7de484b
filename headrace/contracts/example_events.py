"""Events of tests, from the fields that matter: the rest is filled with the simplest value that the contract allows."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

import msgspec

from headrace.contracts.errors import Terminal
from headrace.contracts.fields import Field, fields_of
from headrace.contracts.types import Event

START = datetime(2026, 1, 1, tzinfo=UTC)
"""The time of the first event without one; each further event is a second later."""
SOURCE = "test"

to_json = msgspec.json.Encoder().encode
"""JSON of test values; decimals are text, with all their digits."""


def encoded(contract: type[Event], given: Mapping[str, Any], number: int) -> bytes:
    """The JSON of an event with these fields, the `number`th of its topic. It is valid if the given fields are.

    Raises:
        Terminal: the contract has no such field.
    """
    event = {"event_id": f"event-{number}", "event_time": time_of(given, number), "source": SOURCE, **given}
    return to_json(_filled(fields_of(contract), event, contract.__name__))


def time_of(given: Mapping[str, Any], number: int) -> str:
    """The time of the `number`th event of a topic."""
    return str(given.get("event_time") or (START + timedelta(seconds=number)).isoformat())


def require_known(names: Collection[str], known: Collection[str], where: str, kind: str = "column") -> None:
    """Check that all names are known.

    Raises:
        Terminal: one is not; it names those that are close.
    """
    for name in names:
        if name not in known:
            near = get_close_matches(str(name), known, 3, 0.5)
            raise Terminal(
                f"{where} has no {kind} `{name}`.",
                remedy=f"Did you mean {' or '.join(f'`{each}`' for each in near)}?"
                if near
                else f"There are: {', '.join(known) or 'none'}.",
            )


def _filled(fields: tuple[Field, ...], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    require_known(given, [field.name for field in fields], where, "field")
    values = {field.name: _default(field, given) for field in fields if field.required}
    return values | {field.name: _value(field, given[field.name]) for field in fields if field.name in given}


def _default(field: Field, event: Mapping[str, Any]) -> Any:
    if field.nullable:
        return None
    if field.choices:
        return field.choices[0]
    if field.name == "currency":
        return "EUR"
    lowest = 0 if field.minimum is None else max(0, field.minimum)
    defaults: dict[str, Any] = {
        "string": field.name,
        "integer": int(lowest),
        "number": float(lowest),
        "boolean": False,
        "money": "0",
        "time": event.get("event_time"),
        "list": [],
    }
    return defaults[field.kind]


def _value(field: Field, value: Any) -> Any:
    """The value as the contract's JSON has it: text may be written as a number, and a time without an offset is UTC."""
    match value:
        case list() if field.children:
            elements: list[Any] = [each for each in value]  # noqa: C416  of any type
            return [_filled(field.children, each, field.name) for each in elements]
        case int() | Decimal() if field.kind in ("string", "money") and not isinstance(value, bool):
            return str(value)
        case Decimal() if field.kind in ("number", "integer"):
            return float(value)
        case str() if field.kind == "time":
            return utc(value)
        case _:
            return value


def utc(text: str) -> str:
    """A time in ISO 8601 as RFC 3339, in UTC if it has no offset; other text is returned unchanged."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return time.isoformat().replace("+00:00", "Z")
