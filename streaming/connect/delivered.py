"""The progress of Connect's deliveries, and the account that reconciliation compares."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import psycopg
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, Message

from headrace.contracts.decoding import InvalidRecord, decode, record_version
from headrace.contracts.delivery import DELIVERIES, OFFSET, PARTITION, SERVING, TOPIC_ID, Delivery
from headrace.contracts.errors import Transient
from headrace.contracts.postgres import postgres_needed
from headrace.contracts.reconciliation import DeliveryAccount, Place
from headrace.contracts.settings import Settings
from headrace.contracts.topic import MAX_DEAD_LETTER_BYTES
from headrace.contracts.topics import TOPICS
from headrace.contracts.types import Event
from headrace.contracts.versions import versions_of
from headrace.streaming.connect.connectors import consumer_group, sink_name
from headrace.streaming.landing import apart
from headrace.streaming.runtime.careful.headers import record_headers
from headrace.streaming.runtime.dead_letters import letters
from headrace.streaming.runtime.health import quiet_admin
from headrace.streaming.runtime.reading import committed_records
from headrace.streaming.runtime.topics import TIMEOUT_SECONDS, offset_bounds, partition_counts, topic_ids

POLL_SECONDS = 0.3
_CONTEXT_BYTES = 50_000
"""More than Connect adds to a dead letter: its reason, with a stack trace."""


def committed_offsets(settings: Settings, delivery: Delivery) -> dict[int, int]:
    """The committed offset of a delivery by partition; 0 if it has not started.

    Raises:
        Transient: Kafka is unavailable.
    """
    request = ConsumerGroupTopicPartitions(consumer_group(delivery))
    # Keep a reference to the client: without it, its futures never complete.
    admin = quiet_admin(settings)
    futures = admin.list_consumer_group_offsets([request], request_timeout=TIMEOUT_SECONDS)
    try:
        (found,) = (future.result() for future in futures.values())
    except KafkaException as error:
        raise Transient(f"Kafka did not return the offsets of {request.group_id}: {error.args[0].str()}.") from error
    known = {place.partition: place.offset for place in found.topic_partitions or () if place.topic == delivery.topic}
    return {partition: max(known.get(partition, 0), 0) for partition in _partitions(settings, delivery.topic)}


def _partitions(settings: Settings, topic: str) -> range:
    """The topic's partitions, which may be more than declared."""
    return range(partition_counts(quiet_admin(settings), [topic]).get(topic, TOPICS[topic].partitions))


def undelivered(settings: Settings, delivery: Delivery) -> int:
    """The number of records in the topic that are neither delivered nor rejected yet."""
    waiting = {place for place, _ in _read(settings, delivery.topic, committed_offsets(settings, delivery))}
    return len(waiting - rejected(settings, delivery).keys()) if waiting else 0


def wait_until_delivered(settings: Settings, *, timeout: float) -> int:
    """Wait up to `timeout` seconds until everything in the topics is delivered; returns the number of remaining
    records."""
    deadline = time.monotonic() + timeout
    while True:
        left = sum(undelivered(settings, delivery) for delivery in DELIVERIES.values())
        if not left or time.monotonic() >= deadline:
            return left
        time.sleep(POLL_SECONDS)


def rejected(settings: Settings, delivery: Delivery) -> dict[Place, datetime]:
    """The records that Connect sent to the dead letters, with the time. It may send a record more than once.

    Raises:
        Transient: Kafka is unavailable.
    """
    _, start, end = letters.bounds(quiet_admin(settings), delivery.topic)
    stage = f"connect:{sink_name(delivery)}"
    found: dict[Place, datetime] = {}
    for letter in letters.read(settings, delivery.topic, start, end):
        if letter.stage == stage:
            _, partition, offset = letter.origin.split("/")
            found[int(partition), int(offset)] = letter.at
    return found


def delivery_accounts(
    settings: Settings, landed: Mapping[str, Mapping[Place, datetime]] | None = None
) -> list[DeliveryAccount]:
    """The account of every delivery whose table exists.

    `landed` has, by topic, the records that Connect rejected and when, from landed dead letters. Kafka keeps dead
    letters only for a limited time, but records of a compacted topic indefinitely.

    Raises:
        Transient: Kafka or PostgreSQL is unavailable.
    """
    with (
        postgres_needed(),
        psycopg.connect(settings.conninfo(), connect_timeout=10, application_name="headrace-connect") as db,
    ):
        return [
            _account(settings, db, delivery, (landed or {}).get(delivery.topic, {}))
            for delivery in DELIVERIES.values()
            if db.execute("select to_regclass(%s)", (delivery.qualified,)).fetchone() != (None,)
        ]


def _account(
    settings: Settings, db: psycopg.Connection, delivery: Delivery, landed: Mapping[Place, datetime]
) -> DeliveryAccount:
    admin = quiet_admin(settings)
    topic_id = topic_ids(admin, [delivery.topic])[delivery.topic]
    partitions = _partitions(settings, delivery.topic)
    # 1. Commits first: everything below them is in the table. 2. The topic. 3. The table, which may be ahead of it.
    committed = committed_offsets(settings, delivery)
    bounds = {p: b for (_, p), b in offset_bounds(admin, [(delivery.topic, p) for p in partitions]).items()}
    known = rejected(settings, delivery)
    dead = {**landed, **known}
    passed = {partition: ranges for (_, partition), ranges in apart.ranges(db, topic_id, sink_name(delivery)).items()}
    found: dict[str, dict[int, tuple[Place, bool]]] = {}
    rowless: list[Place] = []
    oversized: list[Place] = []
    for place, message in _read(settings, delivery.topic, {}):
        if _is_rejected(place, message, dead) or _is_within(place, passed):
            continue
        if _exceeds_dead_letters(delivery, message):
            oversized.append(place)
            continue
        if (key := _key(delivery, message)) is not None:
            found.setdefault(key, {})[place[0]] = (place, message.value() is None)
        elif delivery is SERVING or message.value() is not None:
            rowless.append(place)
    query = f"select {delivery.key}, {TOPIC_ID}, {PARTITION}, {OFFSET} from {delivery.qualified}"  # noqa: S608
    rows = {row[0]: (row[1], (row[2], row[3])) for row in db.execute(query.encode())}
    if rowless := [place for place in rowless if place[1] < committed[place[0]]]:
        # A dead letter may have been written in the meantime.
        known = rejected(settings, delivery)
    latest = {key: latest_of(list(places.values()), rows.get(key)) for key, places in found.items()}
    return DeliveryAccount(
        topic=delivery.topic,
        table=delivery.qualified,
        topic_id=topic_id,
        bounds=bounds,
        committed=committed,
        live={key: place for key, (place, gone) in latest.items() if not gone},
        gone={key: place for key, (place, gone) in latest.items() if gone},
        rejected=len({*landed, *known, *(place for place in oversized if place[1] < committed[place[0]])}),
        rows=rows,
        vanished=len(set(rowless) - known.keys()),
    )


def _exceeds_dead_letters(delivery: Delivery, message: Message) -> bool:
    """Whether the record is invalid and too large for Connect's dead letters, which Connect cannot truncate.

    Its bytes are in the quarantine of the landed topic.
    """
    headers = record_headers(message) or []
    parts = [message.value(), message.key(), *(part for header in headers for part in header)]
    if sum(len(part) for part in parts if part is not None) <= MAX_DEAD_LETTER_BYTES - _CONTEXT_BYTES:
        return False
    try:
        _decoded(delivery, message)
    except InvalidRecord:
        return True
    return False


def _decoded(delivery: Delivery, message: Message) -> Event:
    """The record's event, as Connect's converter reads it: only in the current version of the contract."""
    version = record_version(record_headers(message))
    if version != versions_of(delivery.contract).current:
        raise InvalidRecord("another version", f"version {version} is not delivered")
    return decode(delivery.contract, message.value() or b"")


def _is_rejected(place: Place, message: Message, rejections: Mapping[Place, datetime]) -> bool:
    """Whether the record was rejected. A dead letter older than the record belongs to a topic that was since
    recreated."""
    rejected_at = rejections.get(place)
    return rejected_at is not None and message.timestamp()[1] <= rejected_at.timestamp() * 1_000


def latest_of(places: Sequence[tuple[Place, bool]], row: tuple[UUID, Place] | None) -> tuple[Place, bool]:
    """Of a key's latest records per partition, the one that the table should have, and whether it is a tombstone.

    A producer that uses one id for two events may write it to two partitions. Connect may write either one last, so the
    row's record is accepted; without a row, a tombstone is.
    """
    written = [(place, gone) for place, gone in places if (gone if row is None else place == row[1])]
    return written[0] if written else places[-1]


def _is_within(place: Place, ranges: Mapping[int, tuple[tuple[int, int, int], ...]]) -> bool:
    return any(first <= place[1] < following for first, following, _ in ranges.get(place[0], ()))


def _key(delivery: Delivery, message: Message) -> str | None:
    """The key of a record's row; None if it has no row."""
    try:
        if delivery is SERVING:
            return (message.key() or b"").decode() or None
        return None if message.value() is None else _decoded(delivery, message).event_id
    except (InvalidRecord, UnicodeDecodeError):
        return None


def _read(settings: Settings, topic: str, starts: Mapping[int, int]) -> Iterator[tuple[Place, Message]]:
    """All current records of a topic from `starts` on (by default its beginning), with partition and offset."""
    wanted = [(topic, partition) for partition in _partitions(settings, topic)]
    for (_, partition), (first, end) in offset_bounds(quiet_admin(settings), wanted).items():
        start = max(first, starts.get(partition, 0))
        for message in committed_records(settings, topic, partition, end, start) if start < end else ():
            yield (partition, int(message.offset() or 0)), message
