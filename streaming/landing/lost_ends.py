"""Detects whether the broker still holds the last landed records, and from which offset it does not.

If a broker loses acknowledged records in a power failure (or a new leader lacks them), it reuses their offsets for
other records. Therefore the record before a position is read again and compared with its fingerprint; if they differ,
the log has lost its end. The start of the lost range is found by the records' leader epochs, which are higher for
records written later (KIP-320), and by the fingerprints of committed ranges.
"""

from collections.abc import Mapping

import psycopg
from confluent_kafka import Consumer, Message

from headrace.contracts.settings import Settings
from headrace.contracts.topic import TopicAndPartition
from headrace.contracts.topics import TOPICS
from headrace.streaming.landing import fingerprints, positions
from headrace.streaming.runtime import lookup
from headrace.streaming.runtime.reading import committed_records

_CHUNK_RECORDS = 10_000

Bounds = Mapping[TopicAndPartition, tuple[int, int]]


def lost_ends(
    settings: Settings,
    db: psycopg.Connection,
    stored: Mapping[TopicAndPartition, positions.Position],
    bounds: Bounds,
    *,
    carefully: bool = False,
) -> dict[TopicAndPartition, int]:
    """The first lost offset of each partition whose log no longer holds the last landed record.

    `bounds` has the first retained offset and the last stable offset of each partition. For `carefully`, see
    `lookup.first_records`.

    Raises:
        Transient: the broker did not answer.
    """
    places = {key: lookup.Place(each.next_offset, each.last_record, each.leader_epoch) for key, each in stored.items()}
    with lookup.reader(settings) as reader:
        suspects = lookup.lost_before(settings, reader, places, bounds, _print_of, carefully=carefully)
        return {key: _lost_from(settings, db, reader, stored[key], bounds[key]) for key in sorted(suspects)}


def fingerprint_of(settings: Settings, key: TopicAndPartition, first: int, end: int) -> bytes:
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
    position: positions.Position,
    bounds: tuple[int, int],
) -> int:
    key, (log_start, end) = (position.topic, position.partition), bounds
    low = max(log_start, position.start_offset)
    lost = max(low, min(position.next_offset, end))
    if position.leader_epoch is not None:
        lost = lookup.first_newer(settings, reader, key, position.leader_epoch, low, lost)
    # If the last range that ends there is unchanged, everything below is, too.
    for link in positions.chain(db, position.log_id, position.partition, lost):
        if link.next > lost or link.fingerprint is None:
            continue
        if link.first < log_start or fingerprint_of(settings, key, link.first, link.next) == link.fingerprint:
            break
        lost = link.first
    if lost == position.next_offset:
        # Neither epochs nor complete ranges show the start: it is within the last range.
        lost = max([low, *(link.first for link in positions.chain(db, position.log_id, position.partition, lost)[:1])])
    return lost


def _print_of(key: TopicAndPartition, message: Message) -> bytes:
    return fingerprints.of_messages(TOPICS[key[0]], [message]).digest()
