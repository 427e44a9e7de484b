"""The positions that live sources have read up to: a compacted topic, keyed by source and stream.

An entry is written in the same transaction as the events it covers, and carries how many inputs came to what so far.
"""

import time
from typing import Any
from zlib import crc32

import msgspec
import stamina
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.contracts.topic import Topic
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.health import quiet_admin, wait_for_topics
from headrace.streaming.runtime.topics import create_topics, uncommitted_end

NAME = "headrace.source-positions"
READ_SECONDS = 60.0
_READ_RECORDS = 1_000
_UNSETTLED = frozenset(
    (
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
    )
)


class _PositionsTopic(Topic):
    """A topic without a contract, that the lander does not know."""

    @property
    def config(self) -> dict[str, str]:
        return {
            "cleanup.policy": "compact",
            # Small segments are soon compacted: a start reads the topic from its beginning.
            "segment.bytes": str(16 << 20),
            "min.cleanable.dirty.ratio": "0.1",
            "max.message.bytes": super().config["max.message.bytes"],
        }


TOPIC = _PositionsTopic(NAME, "data_science", "source/stream", None, 8, -1, compacted=True)


class Entry(msgspec.Struct, frozen=True):
    """A stream's position, and the outcome counts of all its inputs so far."""

    position: Any
    accepted: int = 0
    rejected: int = 0
    ignored: int = 0

    @property
    def inputs(self) -> int:
        return self.accepted + self.rejected + self.ignored


def key_of(source: str, stream: str) -> bytes:
    return f"{source}/{stream}".encode()


def transactional_id(settings: Settings, source: str) -> str:
    """Of the one process that may write the source's events and positions."""
    return f"{settings.database}-source-{source}"


def partition_of(source: str) -> int:
    """All streams of a source are in one partition, so that a start reads one."""
    return crc32(source.encode()) % TOPIC.partitions


encode = msgspec.json.Encoder().encode


def create(settings: Settings) -> None:
    """Create the topic unless it is there."""
    client = clients.admin(settings)
    create_topics(client, [TOPIC])
    wait_for_topics(client, {NAME: TOPIC})


def end_of(settings: Settings, partition: int) -> int:
    """The end that a `read_uncommitted` reader sees. A topic that was created just now may not have a leader yet."""
    admin, end = quiet_admin(settings), 0
    try:
        for attempt in stamina.retry_context(
            on=_is_unsettled, attempts=None, timeout=READ_SECONDS, wait_initial=0.1, wait_max=1.0, wait_jitter=0.1
        ):
            with attempt:
                end = uncommitted_end(admin, NAME, partition)
    except KafkaException as error:
        raise Transient(f"The positions cannot be read: {error.args[0].str()}.") from error
    return end


def _is_unsettled(error: Exception) -> bool:
    """Whether the partition may get a leader yet: `retriable()` is false of that, on a topic that is new."""
    return isinstance(error, KafkaException) and error.args[0].code() in _UNSETTLED


def read(settings: Settings, source: str) -> dict[str, Entry]:
    """The entries of a source, by stream, as committed.

    Reads to the end that a `read_uncommitted` reader sees, and waits until a `read_committed` one has passed it: the
    transaction of another source may be open in the same partition, and hold up what was committed after it.

    Raises:
        Transient: the end was not reached in time.
    """
    partition = partition_of(source)
    end = end_of(settings, partition)
    consumer = clients.one_off_consumer(settings, "headrace-look")
    consumer.assign([TopicPartition(NAME, partition, 0)])
    prefix = key_of(source, "")
    found: dict[str, Entry] = {}
    reached, deadline = 0, time.monotonic() + READ_SECONDS
    try:
        while reached < end:
            for message in consumer.consume(_READ_RECORDS, 0.2):
                error, key, value = message.error(), message.key() or b"", message.value()
                if error is None:
                    reached = (message.offset() or 0) + 1
                    if key.startswith(prefix):
                        stream = key.removeprefix(prefix).decode()
                        found.pop(stream, None)  # deleted, or replaced below
                        if value is not None:
                            found[stream] = msgspec.json.decode(value, type=Entry)
                elif error.code() == clients.END_OF_PARTITION:
                    reached = message.offset() or 0
                elif not error.retriable():
                    raise Transient(f"The positions of {source} cannot be read: {error.str()}.")
            if time.monotonic() > deadline:
                raise Transient(f"The positions of {source} were not read to their end in {READ_SECONDS:.0f} s.")
    finally:
        consumer.close()
    return found
