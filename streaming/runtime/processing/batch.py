"""One partition's part of a batch: decoding, running the processor, and the records to produce. No Kafka here.

An exception in a processor does not stop the stream: its batch is processed again record by record, and a record that
fails becomes a dead letter. `Transient` and `Terminal` errors (such as an unavailable model) are not caused by a record
and end the process.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import compress
from typing import NamedTuple, cast

from headrace.contracts import dead_letters
from headrace.contracts.decoding import InvalidRecord, decode_record, strict_decoder
from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.topic import MAX_DEAD_LETTER_BYTES
from headrace.contracts.topics import TOPICS
from headrace.contracts.types import Event
from headrace.contracts.versions import versions_of
from headrace.streaming.runtime import logs
from headrace.streaming.runtime.processing.processor import Output, Processor, Record, Result
from headrace.streaming.runtime.processing.store import RESERVED, Base, View
from headrace.streaming.runtime.publishing import MAX_KEY_BYTES, check_size, encode_event, encode_events

TOMBSTONE = "tombstone"
CHUNK_RECORDS = 1_000
"""Records decoded, processed and encoded at a time: few enough to stay in the CPU cache."""

Headers = list[tuple[str, bytes | None]]
Changes = dict[bytes, bytes | None]
Encoded = tuple[bytes, bytes | None]
"""Key and value of a record to produce to the output topic."""


class Inputs(NamedTuple):
    """Records of one partition as read from Kafka, in offset order: lists of equal length.

    `arrivals` is in milliseconds since 1970; None if unknown. `headers` is None if no record has any; the headers of a
    record are None if it has none.
    """

    offsets: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    arrivals: list[int] | None = None
    headers: list[Headers | None] | None = None


class Refused(NamedTuple):
    """A record that becomes a dead letter. `place` is its index among the inputs."""

    place: int
    category: str
    reason: str


@dataclass
class PartitionResult:
    """The result of processing one partition's records in a batch."""

    next_offset: int
    inputs: int
    changes: Changes
    outputs: list[Encoded] = field(default_factory=list[Encoded])
    used: int = 0
    drops: Counter[str] = field(default_factory=Counter[str])
    notes: Counter[str] = field(default_factory=Counter[str])
    refused: list[Refused] = field(default_factory=list[Refused])

    @property
    def dead_letters(self) -> Counter[str]:
        """Refused records by category."""
        return Counter(each.category for each in self.refused)


def process(processor: Processor, topic: str, inputs: Inputs, base: Base, now: datetime) -> PartitionResult:
    """Run the processor over records of one partition.

    Raises:
        Transient, Terminal: the processor cannot work now, independent of the records.
    """
    view = View(base)
    result = PartitionResult(inputs.offsets[-1] + 1, len(inputs.offsets), view.changes)
    for begin in range(0, len(inputs.offsets), CHUNK_RECORDS):
        records = _decoded(topic, inputs, begin, result)
        try:
            _take(_attempt(processor, topic, records, view, now), result)
        except (Transient, Terminal):
            raise
        except Exception as error:  # noqa: BLE001  an error in a processor must not stop the stream
            _log_error(processor, topic, error)
            _one_by_one(processor, topic, records, inputs.offsets, view, now, result)
    result.refused.sort()
    return result


def letter_headers(
    processor: str,
    topic: str,
    partition: int,
    offset: int,
    refused: Refused,
    headers: Sequence[tuple[str, bytes | None]] | None,
) -> Headers:
    """Headers of a dead letter: the record's own, and where and why it was rejected."""
    named = {
        dead_letters.REASON: refused.reason,
        dead_letters.STAGE: f"processor:{processor}",
        dead_letters.TOPIC: topic,
        dead_letters.PARTITION: str(partition),
        dead_letters.OFFSET: str(offset),
    }
    own = [(name, value) for name, value in headers or () if name not in named]
    return [*own, *((name, text.encode(errors="backslashreplace")) for name, text in named.items())]


def letter_key(key: bytes | None) -> bytes | None:
    """Key of the dead letter: the record's own, unless it is too long."""
    return key if key is not None and len(key) <= MAX_KEY_BYTES else None


def letter_value(value: bytes | None) -> tuple[bytes | None, Headers]:
    """Value of the dead letter, truncated to its topic's limit, and the header with the original size."""
    if value is None or len(value) <= MAX_DEAD_LETTER_BYTES:
        return value, []
    return value[:MAX_DEAD_LETTER_BYTES], [(dead_letters.TRUNCATED_FROM_BYTES, str(len(value)).encode())]


class _Attempt(NamedTuple):
    result: Result
    outputs: list[Encoded]
    changes: Changes


def _decoded(topic: str, inputs: Inputs, begin: int, result: PartitionResult) -> list[Record]:
    """Decode a chunk of the inputs."""
    contract = cast("type[Event]", TOPICS[topic].contract)
    decode = strict_decoder(contract)
    # Only headers say that a record has another version. Without any, all are of the first.
    by_version = inputs.headers is not None or versions_of(contract).current > 1
    headers = inputs.headers[begin : begin + CHUNK_RECORDS] if inputs.headers else None
    events: list[Event] = []
    part = slice(begin, begin + CHUNK_RECORDS)
    offsets, keys, values = inputs.offsets[part], inputs.keys[part], inputs.values[part]
    arrivals = inputs.arrivals[part] if inputs.arrivals else [None] * len(offsets)
    is_event = [True] * len(offsets)
    for place, value in enumerate(values):
        if value is None:
            result.drops[TOMBSTONE] += 1
            is_event[place] = False
            continue
        try:
            if by_version:
                events.append(decode_record(contract, value, headers[place] if headers else None))
            else:
                events.append(decode(value))
        except InvalidRecord as invalid:
            result.refused.append(Refused(begin + place, invalid.category, str(invalid)))
            is_event[place] = False
    if len(events) < len(offsets):
        offsets, keys = list(compress(offsets, is_event)), list(compress(keys, is_event))
        arrivals = list(compress(arrivals, is_event))
    return list(map(Record, events, keys, offsets, arrivals))


def _attempt(processor: Processor, topic: str, records: Sequence[Record], base: Base, now: datetime) -> _Attempt:
    if not records:
        return _Attempt(Result(), [], {})
    view = View(base)
    result = processor.process(topic, records, view, now)
    accounted = result.used + sum(result.drops.values())
    if accounted != len(records):
        raise AssertionError(f"{processor.name} accounts for {accounted} of {len(records)} records")
    changes = view.changes
    if any(key.startswith(RESERVED) for key in changes):
        raise AssertionError(f"{processor.name} writes a key that is reserved for the runtime")
    # The changelog would never accept a state entry that is too large, so the record that caused it is rejected.
    check_size(max(changes, key=len, default=b""), max(filter(None, changes.values()), key=len, default=b""))
    return _Attempt(result, _encoded(processor.output, result.outputs), changes)


def _encoded(topic: str, outputs: Sequence[Output]) -> list[Encoded]:
    contract = cast("type[Event]", TOPICS[topic].contract)
    keys = [key for key, _ in outputs]
    events = [event for _, event in outputs]
    if max(map(len, keys), default=0) > MAX_KEY_BYTES:
        raise InvalidRecord("too long", f"key longer than {MAX_KEY_BYTES} bytes")
    if None in events:
        values = [None if event is None else encode_event(event) for event in events]
    else:
        values = encode_events(contract, cast("list[Event]", events))
    return list(zip(keys, values, strict=True))


def _take(attempt: _Attempt, result: PartitionResult) -> None:
    result.outputs += attempt.outputs
    result.used += attempt.result.used
    result.drops.update(attempt.result.drops)
    result.notes.update(attempt.result.notes)
    result.changes |= attempt.changes


def _one_by_one(
    processor: Processor,
    topic: str,
    records: Sequence[Record],
    offsets: Sequence[int],
    view: View,
    now: datetime,
    result: PartitionResult,
) -> None:
    for record in records:
        try:
            _take(_attempt(processor, topic, [record], view, now), result)
        except (Transient, Terminal):
            raise
        except Exception as error:  # noqa: BLE001
            category = error.category if isinstance(error, InvalidRecord) else "processor error"
            reason = f"output: {error}" if isinstance(error, InvalidRecord) else f"processor error: {_kind(error)}"
            result.refused.append(Refused(bisect_left(offsets, record.offset), category, reason))


def _kind(error: Exception) -> str:
    return type(error).__name__


def _log_error(processor: Processor, topic: str, error: Exception) -> None:
    # Only the type and the code location: a message may quote the record.
    trace, place = error.__traceback__, ""
    while trace is not None:
        place, trace = f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}", trace.tb_next
    logs.logger(part=processor.name).error("processor raised", topic=topic, kind=_kind(error), place=place)
