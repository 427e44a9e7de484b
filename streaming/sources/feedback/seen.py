"""Idempotency keys that were seen, with the time each event got: a request sent again is the same event again.

They are kept in memory, and read back from the topic at a start, so that a crash between the broker's acknowledgement
and the answer costs no second event.
"""

import time
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import blake2b

from confluent_kafka import KafkaException, TopicPartition
from msgspec import Struct

from contracts.data_science import CustomerFeedback
from contracts.decoding import InvalidRecord, decode
from contracts.errors import Transient
from contracts.settings import Settings
from contracts.topics import TOPICS
from streaming.runtime import clients
from streaming.sources.feedback.submissions import SOURCE, TOPIC, Record, content

REMEMBERED = 100_000
READ_BACK_SECONDS = 3_600
READ_BACK_RECORDS = 20_000
"""Of each partition, at a start."""
_ANSWER_SECONDS = 5.0


class Known(Struct):
    """What is known of a key."""

    content: bytes
    event_time: datetime
    acknowledged: bool


class Seen:
    """The keys seen last."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._known: OrderedDict[bytes, Known] = OrderedDict()

    def get(self, record: Record) -> Known | None:
        return self._known.get(_key(record))

    def put(self, record: Record, *, acknowledged: bool) -> Known:
        """Remember a record; the oldest is forgotten for it."""
        known = Known(digest(content(record)), record.event.event_time, acknowledged)
        self._known[_key(record)] = known
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)
        return known

    def __len__(self) -> int:
        return len(self._known)


def digest(told: bytes) -> bytes:
    return blake2b(told, digest_size=12).digest()


def _key(record: Record) -> bytes:
    return digest(f"{record.topic}\0{record.event.event_id}".encode(errors="surrogatepass"))


def read_back(settings: Settings, seen: Seen) -> int:
    """Remember the feedback of the last hour; returns how many records.

    Raises:
        Transient: the broker does not answer.
    """
    count = 0
    for value in _recent_values(settings):
        try:
            event = decode(CustomerFeedback, value)
        except InvalidRecord:
            continue  # somebody else's: the lander quarantines it
        if event.source == SOURCE:
            seen.put(Record(TOPIC, b"", event), acknowledged=True)
            count += 1
    return count


def _recent_values(settings: Settings) -> Iterator[bytes]:
    consumer = clients.consumer(settings, "headrace-look", log_level=0)
    since = int((time.time() - READ_BACK_SECONDS) * 1_000)
    wanted = [TopicPartition(TOPIC, partition, since) for partition in range(TOPICS[TOPIC].partitions)]
    try:
        for found in consumer.offsets_for_times(wanted, timeout=_ANSWER_SECONDS):
            _, end = consumer.get_watermark_offsets(found, timeout=_ANSWER_SECONDS)
            start = max(found.offset if found.offset >= 0 else end, end - READ_BACK_RECORDS)
            yield from _values(consumer, TopicPartition(TOPIC, found.partition, start), end)
    except KafkaException as error:
        raise Transient(f"Kafka at {settings.bootstrap_servers} does not answer.") from error
    finally:
        consumer.close()


def _values(consumer: clients.Consumer, start: TopicPartition, end: int) -> Iterator[bytes]:
    if start.offset >= end:
        return
    consumer.assign([start])
    deadline = datetime.now(UTC).timestamp() + _ANSWER_SECONDS
    while time.time() < deadline:
        for message in consumer.consume(1_000, 0.2):
            if message.error() is None and (value := message.value()) is not None:
                yield value
        (position,) = consumer.position([start])
        if position.offset >= end:
            return
