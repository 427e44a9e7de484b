"""Reads single records again, to check whether a broker still holds what was read or written before."""

import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from zlib import crc32

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.contracts.topic import TopicAndPartition
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.careful.reader import UNREADABLE, CarefulReader, Stretch, Unreadable
from headrace.streaming.runtime.careful.stalls import STALL_SECONDS

READ_SECONDS = 30.0
_FORM = struct.Struct(">QIIII")

Found = Message | Unreadable | None
"""What stands at an offset or follows it; None if the log has nothing there."""


@contextmanager
def reader(settings: Settings) -> Iterator[Consumer]:
    """A consumer for `first_records`."""
    consumer = clients.one_off_consumer(settings, f"{settings.database}-look", **{"auto.offset.reset": "earliest"})
    try:
        yield consumer
    finally:
        consumer.close()


def first_records(
    settings: Settings, consumer: Consumer, offsets: Mapping[TopicAndPartition, int], *, carefully: bool = False
) -> dict[TopicAndPartition, Found]:
    """The first committed record at or past an offset, by partition, or the unreadable batch there.

    Use `carefully` after the process ended for lack of memory: the batch that caused it
    may follow these records, and a client would fetch it, too.

    Raises:
        Transient: they could not be read in time.
    """
    found: dict[TopicAndPartition, Found] = {}
    if not offsets:
        return found
    if carefully:
        return _first_carefully(settings, offsets)
    consumer.assign([TopicPartition(*key, offset) for key, offset in offsets.items()])
    deadline = time.monotonic() + READ_SECONDS
    stalled_at = time.monotonic() + STALL_SECONDS
    while len(found) < len(offsets):
        for message in clients.queued(consumer, 1_000, 0.1):
            key, error = clients.place_of(message), message.error()
            if error is None:
                found.setdefault(key, message)
            elif error.code() == clients.END_OF_PARTITION:
                found.setdefault(key, None)
            elif error.code() in UNREADABLE:
                if key not in found:
                    found |= _first_carefully(settings, {key: offsets[key]})
            elif not error.retriable() and error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
                raise Transient(f"Records cannot be read again: {error.str()}.")
        if time.monotonic() > stalled_at:
            found |= _first_carefully(settings, {key: at for key, at in offsets.items() if key not in found})
        if time.monotonic() > deadline:
            raise Transient("Records were not read again in time.")
    consumer.unassign()
    return found


def _first_carefully(settings: Settings, offsets: Mapping[TopicAndPartition, int]) -> dict[TopicAndPartition, Found]:
    with CarefulReader(settings) as careful:
        return {key: next(_found(careful.read(*key, offset)), None) for key, offset in offsets.items()}


def _found(stretches: Iterable[Stretch]) -> Iterator[Message | Unreadable]:
    for stretch in stretches:
        if stretch.unreadable is not None:
            yield stretch.unreadable
        yield from stretch.messages


class Place(NamedTuple):
    """The position to resume from, with the fingerprint and the leader epoch of the record before it."""

    next: int
    last_record: bytes | str | None
    leader_epoch: int | None


def lost_before(
    settings: Settings,
    consumer: Consumer,
    places: Mapping[TopicAndPartition, Place],
    bounds: Mapping[TopicAndPartition, tuple[int, int]],
    print_of: Callable[[TopicAndPartition, Message], bytes | str],
    *,
    carefully: bool = False,
) -> set[TopicAndPartition]:
    """The partitions whose log no longer has the record before the position: it ends earlier, or has another record.

    `bounds` has the first retained offset and the last stable offset of each partition. For `carefully` and errors, see
    `first_records`.
    """
    lost = {key for key, place in places.items() if place.next > bounds[key][1]}
    asked = {
        key: place.next - 1
        for key, place in places.items()
        if key not in lost and place.last_record is not None and bounds[key][0] < place.next
    }
    for key, found in first_records(settings, consumer, asked, carefully=carefully).items():
        if isinstance(found, Unreadable) and found.first == asked[key]:
            # The client read it, without a limit on its decompressed size. Only its leader epoch can be compared.
            is_lost = _is_newer(found, places[key])
        elif isinstance(found, Message) and found.offset() == asked[key]:
            is_lost = print_of(key, found) != places[key].last_record
        else:
            # A compacted topic drops records. In other topics, it was lost or replaced by an aborted one.
            is_lost = not TOPICS[key[0]].compacted or _is_newer(found, places[key])
        if is_lost:
            lost.add(key)
    return lost


def _epoch(found: Found) -> int | None:
    return found.leader_epoch() if isinstance(found, Message) else found and found.leader_epoch


def _is_newer(found: Found, place: Place) -> bool:
    epoch = _epoch(found)
    return epoch is not None and place.leader_epoch is not None and epoch > place.leader_epoch


def first_newer(settings: Settings, consumer: Consumer, key: TopicAndPartition, epoch: int, low: int, high: int) -> int:
    """The first offset from `low` to `high` at or past which there is no record of this or an earlier leader epoch.

    Bisects, since epochs never decrease along a log. The result never exceeds `high`.
    """
    end = high
    while low < high:
        middle = (low + high) // 2
        (found,) = first_records(settings, consumer, {key: middle}).values()
        if found is None or (_epoch(found) or 0) > epoch:
            high = middle
        else:
            low = found.next if isinstance(found, Unreadable) else (found.offset() or middle) + 1
    return min(low, end)


def record_print(message: Message) -> str:
    """A record's fingerprint, in 48 hexadecimal digits: timestamp, and length and CRC-32 of key and value."""
    (_, timestamp), key, value = message.timestamp(), message.key(), message.value()
    return _FORM.pack(timestamp & (1 << 64) - 1, *content_print(key), *content_print(value)).hex()


def content_print(content: bytes | None) -> tuple[int, int]:
    """Length plus one (0 for None) and CRC-32 of a key or value."""
    return (0, 0) if content is None else (len(content) + 1, crc32(content))
