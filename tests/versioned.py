"""A contract of version 3 for tests, and a record of each of its versions."""

from dataclasses import replace
from typing import Annotated, Any

import orjson

from headrace.contracts.topic import Topic
from headrace.contracts.topics import TOPICS
from headrace.contracts.types import Event, Identifier, Integer, Money, about
from headrace.contracts.versions import VERSION_HEADER, Upcast, versioned


def doubled(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "level": record["level"] * 2}


@versioned(3, {1: Upcast({"place": "spot"}, {"unit": "m"}, {"price": "money"}), 2: doubled})
class Reading(Event, kw_only=True, frozen=True):
    """A reading; version 1 had `spot` and whole prices, version 2 half the level."""

    place: Annotated[Identifier, about("Where.")]
    level: Annotated[Integer, about("How high.")]
    unit: Annotated[Identifier, about("Unit.")]
    price: Annotated[Money | None, about("What it cost.")] = None


BASE = {"event_id": "1", "event_time": "2026-03-01T12:00:00Z", "source": "s", "level": 4}
FIRST = orjson.dumps({**BASE, "spot": "A", "price": 3})
SECOND = orjson.dumps({**BASE, "place": "A", "unit": "ft"})
THIRD = orjson.dumps({**BASE, "place": "A", "unit": "ft", "price": "3.5"})


def headers(version: int) -> list[tuple[str, bytes]]:
    return [(VERSION_HEADER, str(version).encode())]


def topic() -> Topic:
    """The topic `orders` with this contract."""
    return replace(TOPICS["orders"], contract=Reading)
