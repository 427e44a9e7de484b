"""Runs a unit test of a processor: events in, events out, in memory, with the runtime's decoder and state. No Kafka."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from headrace.contracts.decoding import strict_decoder
from headrace.contracts.errors import Terminal
from headrace.contracts.example_events import encoded, require_known, time_of, utc
from headrace.contracts.fields import Field, fields_of
from headrace.contracts.topics import TOPICS
from headrace.contracts.types import Event
from headrace.streaming.processors.registry import all_processors
from headrace.streaming.runtime.processing.batch import Encoded, Inputs, process
from headrace.streaming.runtime.processing.processor import Processor

Row = Mapping[str, Any]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
"""The time of processing, of tests that give none."""
PLACE = ("_partition", "_offset", "_key", "_kafka_time", "_value")
"""What a record of a test can have besides the fields of its event: the names are the columns of the raw tables."""


@dataclass
class Processed:
    """What came out: events with their `_key`, dead letters with topic, partition, offset, category and reason."""

    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    dead_letters: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    drops: Counter[str] = field(default_factory=Counter[str])


class _Entries:
    """The state of a partition between batches."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self._values.get(key)

    def entries(self, start: bytes, end: bytes) -> dict[bytes, bytes]:
        return {key: value for key, value in self._values.items() if start <= key < end}

    def apply(self, changes: Mapping[bytes, bytes | None]) -> None:
        self._values |= {key: value for key, value in changes.items() if value is not None}
        for key in [key for key, value in changes.items() if value is None]:
            self._values.pop(key, None)


def named(name: str) -> Processor:
    """A new processor by its name.

    Raises:
        Terminal: there is no such processor.
    """
    require_known([name], all_processors(), "Headrace", "processor")
    return all_processors()[name]()


def run(name: str, given: Mapping[str, Sequence[Row]], now: datetime = NOW, *, one_by_one: bool = False) -> Processed:
    """Process records, by input topic, in one batch for each partition or, `one_by_one`, each in a batch of its own.

    Raises:
        Terminal: an input or a field is not known.
    """
    processor, done = named(name), Processed()
    require_known(given, processor.inputs, name, "input")
    for topic, rows in given.items():
        for partition, records in _partitions(topic, rows).items():
            state = _Entries()
            for batch in [[each] for each in records] if one_by_one else [records]:
                offsets, keys, values, arrivals = map(list, zip(*batch, strict=True))
                found = process(processor, topic, Inputs(offsets, keys, values, arrivals), state, now)
                state.apply(found.changes)
                done.events += [_event(processor.output, each) for each in found.outputs]
                done.dead_letters += [
                    {
                        "topic": topic,
                        "_partition": partition,
                        "_offset": offsets[refused.place],
                        "category": refused.category,
                        "reason": refused.reason,
                    }
                    for refused in found.refused
                ]
                done.drops.update(found.drops)
    return done


def comparable(topic: str, row: Row) -> dict[str, Any]:
    """The fields of an expected event of a topic, with values as in `Processed.events`.

    Raises:
        Terminal: there is no such field.
    """
    fields = fields_of(_contract(topic))
    require_known(row, ["_key", *(each.name for each in fields)], topic, "field")
    return _comparable(fields, row)


def _partitions(topic: str, rows: Sequence[Row]) -> dict[int, list[tuple[int, bytes | None, bytes | None, int]]]:
    """Offset, key, value and arrival of the records, by partition."""
    found: dict[int, list[tuple[int, bytes | None, bytes | None, int]]] = {}
    contract = _contract(topic)
    for number, row in enumerate(rows):
        own = {name: value for name, value in row.items() if name.startswith("_")}
        require_known(own, PLACE, f"A record of {topic}", "column")
        event = {name: value for name, value in row.items() if not name.startswith("_")}
        value = _bytes(own["_value"]) if "_value" in own else encoded(contract, event, number)
        of = found.setdefault(own.get("_partition", 0), [])
        offset = own.get("_offset", of[-1][0] + 1 if of else 0)
        if of and offset <= of[-1][0]:
            raise Terminal(f"Offsets of {topic} must increase: {offset} follows {of[-1][0]}.", remedy="Correct them.")
        of.append((offset, _bytes(own.get("_key")), value, _arrival(own.get("_kafka_time") or time_of(event, number))))
    return found


def _arrival(text: str) -> int:
    """A time in milliseconds since 1970."""
    try:
        return int(datetime.fromisoformat(utc(text)).timestamp() * 1_000)
    except ValueError as error:
        raise Terminal(f"{text!r} is not a time.", remedy="Write it like 2026-01-01T12:00:00Z.") from error


def _bytes(value: object) -> bytes | None:
    return None if value is None else str(value).encode()


def _contract(topic: str) -> type[Event]:
    return cast("type[Event]", TOPICS[topic].contract)


def _event(topic: str, made: Encoded) -> dict[str, Any]:
    """A published record: its key and all fields of its event, those with their default as well."""
    key = {"_key": made[0].decode(errors="replace")}
    if made[1] is None:
        return key
    contract = _contract(topic)
    fields = fields_of(contract)
    event = strict_decoder(contract)(made[1])
    return key | _comparable(fields, {each.name: getattr(event, each.name) for each in fields})


def _comparable(fields: tuple[Field, ...], row: Row) -> dict[str, Any]:
    kinds = {each.name: each for each in fields}
    return {name: _value(kinds[name], value) if name in kinds else value for name, value in row.items()}


def _value(of: Field, value: Any) -> Any:
    if value is None:
        return None
    if of.kind == "time":
        return utc(str(value))
    if of.kind in ("string", "money"):
        return str(value)
    if of.kind == "list" and of.children:
        rows = [msgspec.structs.asdict(each) if isinstance(each, msgspec.Struct) else each for each in value]
        return [_comparable(of.children, each) for each in rows]
    return float(value) if of.kind == "number" else value
