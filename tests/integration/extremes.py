"""Events whose fields are each as large, as small, as long or as odd as their contract allows."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from headrace.contracts.fields import Field, fields_of
from headrace.contracts.topics import EVENT_TOPICS
from headrace.contracts.types import Event

TIMES = (
    datetime(1000, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2024, 2, 29, tzinfo=UTC),
    datetime(2026, 5, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
)
NUMBERS = (-1.7976931348623157e308, 1.7976931348623157e308, 5e-324, -0.0, 0.0, 1e-300, 12.5)
TEXTS = ("a", "A" * 256, "0", "nan", "-1e999", "'; drop table x --", "東京 😀", "\u202e\x1b[31m", " ", 'ß\n\t"\\')
_NUMBERED = tuple(str(number) for number in range(40))
_OF_TEXT = {"currency": ("EUR", "GBP", "XXX", "pounds", "A" * 256)} | dict.fromkeys(
    ("order_id", "post_id", "feedback_id", "subject_id"), _NUMBERED
)
"""Few customers, products and currencies, so that rows meet in the groups that tables add up."""


def events(seed: int, count: int) -> dict[str, list[Event]]:
    """So many events of every topic, each valid."""
    chance = random.Random(seed)
    found: dict[str, list[Event]] = {}
    for topic in EVENT_TOPICS:
        assert topic.contract is not None
        found[topic.name] = [_event(topic.contract, chance, f"{seed}-{number}") for number in range(count)]
    return found


def _event(contract: type[Event], chance: random.Random, name: str) -> Event:
    values = {field.name: _value(field, chance) for field in fields_of(contract)} | {"event_id": name}
    return msgspec.convert(values, contract)


def _value(field: Field, chance: random.Random) -> Any:
    if field.nullable and chance.random() < 0.15:
        return None
    if field.kind == "list":
        length = chance.choice([0, 1, 3, 40])
        return [{child.name: _value(child, chance) for child in field.children} for _ in range(length)]
    return chance.choice(list(extremes(field)))


def extremes(field: Field) -> Iterator[Any]:
    """The values of a field that are at the ends of what its contract allows."""
    if field.choices is not None:
        yield from field.choices
    elif field.digits is not None:
        largest = "9" * (field.digits - 4) + ".9999"
        yield from (largest, f"-{largest}", "0.0001", "-0.0000", "0" * 14, largest)
    elif field.kind in ("integer", "number"):
        yield from (each for each in (field.minimum, field.maximum) if each is not None)
        if field.kind == "integer":
            yield from (max(cast("int", field.minimum), 0), max(cast("int", field.minimum), 1))
        elif field.minimum is None:
            yield from NUMBERS
    elif field.kind == "boolean":
        yield from (True, False)
    elif field.kind == "time":
        yield from TIMES
    else:
        longest = field.max_length or 256
        yield from (
            text[:longest] for text in _OF_TEXT.get(field.name, TEXTS) if not (field.names_customer and text == "nan")
        )
