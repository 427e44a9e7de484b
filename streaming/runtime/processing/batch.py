"""One partition's share of a batch: decoding, running the processor, and what is to be produced for it. No Kafka here.

A processor that raises does not stop the stream: its batch is done again record by record, and the record that it
cannot take becomes a dead letter.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, cast

from contracts import dead_letters
from contracts.decoding import InvalidRecord, decode
from contracts.topics import TOPICS
from contracts.types import Event
from streaming.processors.processor import Output, Processor, Record, Result
from streaming.runtime import logs
from streaming.runtime.processing.store import RESERVED, Base, View
from streaming.runtime.publishing import MAX_KEY_BYTES, check_size, encode_event

TOMBSTONE = "tombstone"


class Raw(NamedTuple):
    """A record as Kafka gave it."""

    offset: int
    key: bytes | None
    value: bytes | None


class Encoded(NamedTuple):
    """A record to produce to the output topic."""

    key: bytes
    value: bytes | None


class DeadLetter(NamedTuple):
    """A record that is refused."""

    raw: Raw
    category: str
    reason: str


@dataclass
class Share:
    """What a partition's records of one batch came to."""

    next_offset: int
    inputs: int
    changes: dict[bytes, bytes | None]
    outputs: list[Encoded] = field(default_factory=list[Encoded])
    used: int = 0
    drops: Counter[str] = field(default_factory=Counter[str])
    notes: Counter[str] = field(default_factory=Counter[str])
    refused: list[DeadLetter] = field(default_factory=list[DeadLetter])

    @property
    def dead_letters(self) -> Counter[str]:
        """Refused records by category."""
        return Counter(letter.category for letter in self.refused)


def process(processor: Processor, topic: str, raws: Sequence[Raw], base: Base, now: datetime) -> Share:
    """Run the processor over records of one partition, in the order of their offsets."""
    view = View(base)
    share = Share(raws[-1].offset + 1, len(raws), view.changes)
    records = _decoded(topic, raws, share)
    try:
        attempt = _attempt(processor, topic, records, base, now)
    except Exception as error:  # noqa: BLE001  whatever a processor raises, the stream goes on
        _log_error(processor, topic, error)
        _one_by_one(processor, topic, records, {raw.offset: raw for raw in raws}, view, now, share)
        return share
    _take(attempt, share)
    return share


def letter_headers(processor: str, topic: str, partition: int, letter: DeadLetter) -> list[tuple[str, bytes]]:
    """Headers of a dead letter."""
    named = {
        dead_letters.REASON: letter.reason,
        dead_letters.STAGE: f"processor:{processor}",
        dead_letters.TOPIC: topic,
        dead_letters.PARTITION: str(partition),
        dead_letters.OFFSET: str(letter.raw.offset),
    }
    return [(name, text.encode(errors="backslashreplace")) for name, text in named.items()]


class _Attempt(NamedTuple):
    result: Result
    outputs: list[Encoded]
    changes: dict[bytes, bytes | None]


def _decoded(topic: str, raws: Sequence[Raw], share: Share) -> list[Record]:
    contract = cast("type[Event]", TOPICS[topic].contract)
    records: list[Record] = []
    for raw in raws:
        if raw.value is None:
            share.drops[TOMBSTONE] += 1
            continue
        try:
            records.append(Record(decode(contract, raw.value), raw.key, raw.offset))
        except InvalidRecord as invalid:
            share.refused.append(DeadLetter(raw, invalid.category, str(invalid)))
    return records


def _attempt(processor: Processor, topic: str, records: Sequence[Record], base: Base, now: datetime) -> _Attempt:
    if not records:
        return _Attempt(Result(), [], {})
    view = View(base)
    result = processor.process(topic, records, view, now)
    accounted = result.used + sum(result.drops.values())
    if accounted != len(records):
        raise AssertionError(f"{processor.name} accounts for {accounted} of {len(records)} records")
    if any(key.startswith(RESERVED) for key in view.changes):
        raise AssertionError(f"{processor.name} writes a key of the runtime's own")
    return _Attempt(result, list(map(_encoded, result.outputs)), view.changes)


def _encoded(output: Output) -> Encoded:
    value = None if output.value is None else encode_event(output.value)
    check_size(output.key, value or b"")
    return Encoded(output.key, value)


def _take(attempt: _Attempt, share: Share) -> None:
    share.outputs += attempt.outputs
    share.used += attempt.result.used
    share.drops.update(attempt.result.drops)
    share.notes.update(attempt.result.notes)
    share.changes |= attempt.changes


def _one_by_one(
    processor: Processor,
    topic: str,
    records: Sequence[Record],
    raws: dict[int, Raw],
    view: View,
    now: datetime,
    share: Share,
) -> None:
    for record in records:
        try:
            _take(_attempt(processor, topic, [record], view, now), share)
        except Exception as error:  # noqa: BLE001
            category = error.category if isinstance(error, InvalidRecord) else "processor error"
            reason = f"output: {error}" if isinstance(error, InvalidRecord) else f"processor error: {_kind(error)}"
            share.refused.append(DeadLetter(raws[record.offset], category, reason))


def _kind(error: Exception) -> str:
    return type(error).__name__


def _log_error(processor: Processor, topic: str, error: Exception) -> None:
    # The kind and the place alone: a message may quote the record.
    trace, place = error.__traceback__, ""
    while trace is not None:
        place, trace = f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}", trace.tb_next
    logs.logger(part=processor.name).error("processor raised", topic=topic, kind=_kind(error), place=place)


def letter_key(letter: DeadLetter) -> bytes | None:
    """Key of the dead letter: the record's own, where that is not what is too long."""
    key = letter.raw.key
    return key if key is not None and len(key) <= MAX_KEY_BYTES else None
