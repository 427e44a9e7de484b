"""Whether the broker still holds what landed last, and from which offset on it does not.

A broker that acknowledged records and lost them in a power cut (or a partition whose new leader lacked them) gives
their offsets to other records. The record before a position is therefore read again, and held against its fingerprint;
where it is not the same, the log has lost its end. Where that end began is found by the records' leader epochs, which
are higher on records written since (KIP-320), and by the fingerprints of committed ranges.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from contracts.errors import Transient
from contracts.settings import Settings
from contracts.topics import TOPICS
from streaming.landing import accounts, fingerprints
from streaming.runtime import clients
from streaming.runtime.careful.reader import UNREADABLE, CarefulReader
from streaming.runtime.reading import committed_records

READ_SECONDS = 30.0
_CHUNK_RECORDS = 10_000

Key = tuple[str, int]
Bounds = Mapping[Key, tuple[int, int]]


def lost_ends(
    settings: Settings, db: psycopg.Connection, positions: Mapping[Key, accounts.Position], bounds: Bounds
) -> dict[Key, int]:
    """The first offset that the broker lost, of each partition whose log does not hold what landed last.

    `bounds` are the first offset retained and the last stable offset of each partition.

    Raises:
        Transient: the broker did not answer.
    """
    suspects = {key for key, position in positions.items() if position.next_offset > bounds[key][1]}
    asked = {
        key: position.next_offset - 1
        for key, position in positions.items()
        if key not in suspects and position.last_record is not None and bounds[key][0] < position.next_offset
    }
    with _reader(settings) as reader:
        for key, message in _first_records(settings, reader, asked).items():
            if message is None or message.offset() != asked[key]:
                # A compacted topic drops records; of any other it was an aborted or lost record that is not there.
                if not TOPICS[key[0]].compacted or _is_newer(message, positions[key]):
                    suspects.add(key)
            elif fingerprints.of_messages(TOPICS[key[0]], [message]).digest() != positions[key].last_record:
                suspects.add(key)
        return {key: _lost_from(settings, db, reader, positions[key], bounds[key]) for key in sorted(suspects)}


def fingerprint_of(settings: Settings, key: Key, first: int, end: int) -> bytes:
    """The fingerprint of the records that a partition holds now in a range of offsets."""
    state, chunk = fingerprints.Fingerprint(), list[Message]()
    for message in committed_records(settings, *key, end, start=first):
        chunk.append(message)
        if len(chunk) >= _CHUNK_RECORDS:
            fingerprints.of_messages(TOPICS[key[0]], chunk, state)
            chunk.clear()
    return fingerprints.of_messages(TOPICS[key[0]], chunk, state).digest()


def _lost_from(
    settings: Settings,
    db: psycopg.Connection,
    reader: Consumer,
    position: accounts.Position,
    bounds: tuple[int, int],
) -> int:
    key, (log_start, end) = (position.topic, position.partition), bounds
    low = max(log_start, position.start_offset)
    lost = max(low, min(position.next_offset, end))
    if position.leader_epoch is not None:
        lost = _first_newer(settings, reader, key, position.leader_epoch, low, lost)
    # All that is below is as it landed, if the last range that ends there is.
    for link in accounts.chain(db, position.log_id, position.partition, lost):
        if link.next > lost or link.fingerprint is None:
            continue
        if link.first < log_start or fingerprint_of(settings, key, link.first, link.next) == link.fingerprint:
            break
        lost = link.first
    if lost == position.next_offset:
        # Epochs do not show where, and no whole range differs: it is within the last one.
        lost = max([low, *(link.first for link in accounts.chain(db, position.log_id, position.partition, lost)[:1])])
    return lost


def _first_newer(settings: Settings, reader: Consumer, key: Key, epoch: int, low: int, high: int) -> int:
    """The first offset from `low` to `high` that no record of this epoch or an earlier one follows. By bisection."""
    while low < high:
        middle = (low + high) // 2
        (message,) = _first_records(settings, reader, {key: middle}).values()
        if message is None or (message.leader_epoch() or 0) > epoch:
            high = middle
        else:
            low = (message.offset() or middle) + 1
    return low


def _is_newer(message: Message | None, position: accounts.Position) -> bool:
    epoch = None if message is None else message.leader_epoch()
    return epoch is not None and position.leader_epoch is not None and epoch > position.leader_epoch


@contextmanager
def _reader(settings: Settings) -> Iterator[Consumer]:
    reader = clients.consumer(
        settings,
        f"{settings.database}-look",
        **{"enable.partition.eof": True, "auto.offset.reset": "earliest", "fetch.message.max.bytes": 64_000},
    )
    try:
        yield reader
    finally:
        reader.close()


def _first_records(settings: Settings, reader: Consumer, offsets: Mapping[Key, int]) -> dict[Key, Message | None]:
    """The first committed record at or past an offset, by partition; None where the log ends before one.

    What no client can read is no record.
    """
    found: dict[Key, Message | None] = {}
    if not offsets:
        return found
    reader.assign([TopicPartition(*key, offset) for key, offset in offsets.items()])
    deadline = time.monotonic() + READ_SECONDS
    while len(found) < len(offsets):
        for message in reader.consume(1_000, 0.1):
            key, error = (str(message.topic()), int(message.partition() or 0)), message.error()
            if error is None:
                found.setdefault(key, message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  its public name is the same
                found.setdefault(key, None)
            elif error.code() in UNREADABLE:
                if key not in found:
                    found[key] = _first_readable(settings, key, offsets[key])
            elif not error.retriable() and error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
                raise Transient(f"The last records landed cannot be read again: {error.str()}.")
        if time.monotonic() > deadline:
            raise Transient("The last records landed were not read again in time.")
    reader.unassign()
    return found


def _first_readable(settings: Settings, key: Key, offset: int) -> Message | None:
    with CarefulReader(settings) as reader:
        return next((stretch.messages[0] for stretch in reader.read(*key, offset) if stretch.messages), None)
