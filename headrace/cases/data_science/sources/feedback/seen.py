"""Idempotency keys that were seen, with the time each event got: a request sent again is the same event again.

They are kept in memory, packed: some 160 bytes each, so that all that are remembered take 16 MB, and not more however
long the service runs. They are read back from the topic at a start, so that a crash between the broker's
acknowledgement and the answer costs no second event.
"""

import struct
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from confluent_kafka import KafkaException, TopicPartition
from msgspec import Struct

from headrace.cases.data_science.sources.feedback.submissions import SOURCE, TOPIC, Record, content
from headrace.cases.data_science.topics.customer_feedback import CustomerFeedback
from headrace.contracts import clock
from headrace.contracts.decoding import InvalidRecord, decode_record
from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.careful.headers import Headers, record_headers

REMEMBERED = 100_000
READ_BACK_SECONDS = 3_600
READ_BACK_RECORDS = 20_000
"""Of each partition, at a start."""
_ANSWER_SECONDS = 5.0
_DIGEST_BYTES = 12
_PACKED = struct.Struct(f"<{_DIGEST_BYTES}sq?")
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Known(Struct, frozen=True):
    """What is known of a key."""

    content: bytes
    event_time: datetime
    acknowledged: bool


class Seen:
    """The most recent keys."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._known: dict[bytes, bytes] = {}
        # A ring of the keys in the order they came: the one at `_next` is the oldest.
        self._order: list[bytes | None] = [None] * remembered
        self._next = 0

    def get(self, record: Record) -> Known | None:
        packed = self._known.get(_key(record))
        if packed is None:
            return None
        content_digest, microseconds, acknowledged = _PACKED.unpack(packed)
        return Known(content_digest, _EPOCH + microseconds * _MICROSECOND, acknowledged)

    def put(self, record: Record, *, acknowledged: bool) -> None:
        """Remember a record, or what has become of it; the oldest is forgotten for a new one."""
        key = _key(record)
        if key not in self._known:
            if (oldest := self._order[self._next]) is not None:
                del self._known[oldest]
            self._order[self._next] = key
            self._next = (self._next + 1) % len(self._order)
        microseconds = (record.event.event_time - _EPOCH) // _MICROSECOND
        self._known[key] = _PACKED.pack(digest(content(record)), microseconds, acknowledged)

    def __len__(self) -> int:
        return len(self._known)


def digest(value: bytes) -> bytes:
    return blake2b(value, digest_size=_DIGEST_BYTES).digest()


def _key(record: Record) -> bytes:
    return digest(f"{record.topic}\0{record.event.event_id}".encode(errors="surrogatepass"))


def read_back(settings: Settings, seen: Seen) -> int:
    """Remember the feedback of the last hour; returns how many records.

    Raises:
        Transient: the broker does not answer.
    """
    count = 0
    for value, headers in _recent_values(settings):
        try:
            event = decode_record(CustomerFeedback, value, headers)
        except InvalidRecord:
            continue  # not written by this service: the lander quarantines it
        if event.source == SOURCE:
            seen.put(Record(TOPIC, b"", event), acknowledged=True)
            count += 1
    return count


def _recent_values(settings: Settings) -> Iterator[tuple[bytes, Headers | None]]:
    consumer = clients.consumer(settings, "headrace-look", log_level=0)
    since = int((clock.seconds() - READ_BACK_SECONDS) * 1_000)
    try:
        # There may be more partitions than declared.
        partitions = consumer.list_topics(TOPIC, timeout=_ANSWER_SECONDS).topics[TOPIC].partitions or range(
            TOPICS[TOPIC].partitions
        )
        wanted = [TopicPartition(TOPIC, partition, since) for partition in partitions]
        for found in consumer.offsets_for_times(wanted, timeout=_ANSWER_SECONDS):
            _, end = consumer.get_watermark_offsets(found, timeout=_ANSWER_SECONDS)
            start = max(found.offset if found.offset >= 0 else end, end - READ_BACK_RECORDS)
            yield from _values(consumer, TopicPartition(TOPIC, found.partition, start), end)
    except KafkaException as error:
        raise Transient(f"Kafka at {settings.bootstrap_servers} does not answer.") from error
    finally:
        consumer.close()


def _values(consumer: clients.Consumer, start: TopicPartition, end: int) -> Iterator[tuple[bytes, Headers | None]]:
    if start.offset >= end:
        return
    consumer.assign([start])
    deadline = time.monotonic() + _ANSWER_SECONDS
    while time.monotonic() < deadline:
        for message in consumer.consume(1_000, 0.2):
            if message.error() is None and (value := message.value()) is not None:
                yield value, record_headers(message)
        (position,) = consumer.position([start])
        if position.offset >= end:
            return
