"""Handles batches that the client cannot read: the careful reader reads them, or they are set apart and recorded.

The lander calls this once everything before the batch has landed.
"""

from collections.abc import Iterator
from uuid import UUID

import psycopg
from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from headrace.contracts.settings import Settings
from headrace.contracts.topic import TopicAndPartition
from headrace.streaming.landing import apart
from headrace.streaming.landing.positions import TopicChanged
from headrace.streaming.runtime import logs, metrics
from headrace.streaming.runtime.careful.memory import CAREFUL_BYTES
from headrace.streaming.runtime.careful.reader import CarefulReader, Stretch, Unreadable
from headrace.streaming.runtime.topics import topic_ids


class Passing:
    """Reads carefully, and records ranges set apart. All methods raise `Transient` if the broker does not answer, and
    the errors of `apart.record`."""

    def __init__(self, settings: Settings, admin: AdminClient) -> None:
        self._settings = settings
        self._admin = admin
        self._log = logs.logger(part="lander")

    def next_batch(self, key: TopicAndPartition, position: int) -> Stretch | None:
        """The batch at a position where the client fails; None if there is none."""
        with CarefulReader(self._settings) as reader:
            return reader.next_batch(*key, position)

    def stretches(self, key: TopicAndPartition, position: int) -> Iterator[Stretch]:
        """The batches after a position, as far as a process may have read without committing."""
        left = CAREFUL_BYTES
        with CarefulReader(self._settings) as reader:
            for stretch in reader.read(*key, position):
                yield stretch
                left -= stretch.stored_bytes
                if left <= 0:
                    return

    def record(self, db: psycopg.Connection, topic_id: UUID, position: int, unreadable: Unreadable) -> None:
        """Set a range apart."""
        if topic_ids(self._admin, [unreadable.topic]).get(unreadable.topic) != topic_id:
            raise TopicChanged(unreadable.topic)
        apart.record(db, topic_id, position, unreadable)
        metrics.SET_APART.labels("lander", unreadable.topic).inc()
        self._log.error(
            "set apart: cannot be read",
            topic=unreadable.topic,
            partition=unreadable.partition,
            first=unreadable.first,
            next=unreadable.next,
            records=unreadable.records,
            reason=unreadable.reason,
            bytes=len(unreadable.content),
        )


def one_record(message: Message, error: Exception) -> Unreadable:
    """A single record that cannot be buffered."""
    offset = int(message.offset() or 0)
    topic, partition = str(message.topic()), int(message.partition() or 0)
    return Unreadable(topic, partition, offset, offset + 1, 1, f"raises {type(error).__name__}", message.value() or b"")
