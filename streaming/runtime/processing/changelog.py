"""Changelogs: compacted topics that hold what the local stores hold, and the way back from one to the other.

There is one for each processor and input topic, with the input's partitions. Restoring reads to the end that a
`read_uncommitted` reader sees, and waits until a `read_committed` reader has passed it: a former owner's transaction
may still be open there, and what it committed would be missed.
"""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from confluent_kafka import Consumer, IsolationLevel, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from contracts.errors import Transient
from contracts.settings import Settings
from contracts.topics import TOPICS, Topic
from streaming.runtime import clients
from streaming.runtime.processing.store import Checkpoint, Store, is_fresh
from streaming.runtime.topics import TIMEOUT_SECONDS, create_topics, topic_ids

DELETE_RETENTION = timedelta(days=7)
RESTORE_RECORDS = 10_000
RESTORE_SECONDS = 240.0
"""Less than the consumer may stay away from its group (`max.poll.interval.ms`): restoring happens inside a poll."""


class ChangelogTopic(Topic):
    """A changelog is a topic without a contract that the lander does not know."""

    @property
    def config(self) -> dict[str, str]:
        return {
            "cleanup.policy": "compact",
            "delete.retention.ms": str(DELETE_RETENTION // timedelta(milliseconds=1)),
            "max.message.bytes": super().config["max.message.bytes"],
        }


def changelog_topic(processor: str, input_topic: str) -> ChangelogTopic:
    """The changelog of a processor's state for one of its inputs."""
    declared = TOPICS[input_topic]
    name = f"headrace.{processor}.{input_topic}.state"
    return ChangelogTopic(name, declared.case, "the state's own key", None, declared.partitions, -1, compacted=True)


def create(admin: AdminClient, processor: str, inputs: tuple[str, ...]) -> dict[str, UUID]:
    """Create the changelogs that are missing; returns the id of each input's changelog.

    Raises:
        Transient: the broker does not answer, or does not serve them yet.
    """
    topics = {name: changelog_topic(processor, name) for name in inputs}
    create_topics(admin, topics.values())
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(ids := topic_ids(admin, [topic.name for topic in topics.values()])) < len(topics):
        if time.monotonic() > deadline:
            raise Transient("Kafka does not serve the changelog topics yet.")
        time.sleep(0.1)
    return {name: ids[topic.name] for name, topic in topics.items()}


def uncommitted_end(admin: AdminClient, topic: str, partition: int) -> int:
    """End of a partition with what is still in open transactions."""
    wanted = dict.fromkeys([TopicPartition(topic, partition)], OffsetSpec.latest())
    (future,) = admin.list_offsets(
        wanted,  # pyright: ignore[reportArgumentType]  latest() is only typed as optional
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
        request_timeout=TIMEOUT_SECONDS,
    ).values()
    return int(future.result().offset)


class Restorer:
    """Brings stores up to the end of their changelog."""

    def __init__(self, settings: Settings, admin: AdminClient, processor: str, ids: Mapping[str, UUID]) -> None:
        self._settings = settings
        self._admin = admin
        self._processor = processor
        self._ids = ids

    def open(self, input_topic: str, partition: int, folder: Path, on_wait: Callable[[], None]) -> tuple[Store, int]:
        """The store of a partition, up to date, and how many changelog records were replayed for it.

        Raises:
            Transient: the changelog could not be read to its end in time.
        """
        changelog = changelog_topic(self._processor, input_topic).name
        topic_id = self._ids[input_topic]
        store = Store(folder)
        checkpoint = store.checkpoint
        if checkpoint is None or not is_fresh(checkpoint, topic_id, DELETE_RETENTION, datetime.now(UTC)):
            store.close()
            store, checkpoint = Store.emptied(folder), Checkpoint(topic_id, 0, datetime.now(UTC))
        end = uncommitted_end(self._admin, changelog, partition)
        try:
            replayed = 0
            if end > checkpoint.offset:
                replayed = self._replay(store, changelog, partition, checkpoint, end, on_wait)
        except BaseException:
            store.close()
            raise
        return store, replayed

    def _replay(
        self,
        store: Store,
        changelog: str,
        partition: int,
        checkpoint: Checkpoint,
        end: int,
        on_wait: Callable[[], None],
    ) -> int:
        consumer = clients.consumer(
            self._settings,
            f"{self._settings.database}-{self._processor}-restore",
            **{"enable.partition.eof": True, "auto.offset.reset": "earliest"},
        )
        consumer.assign([TopicPartition(changelog, partition, checkpoint.offset)])
        try:
            return _read_to(consumer, store, checkpoint.topic_id, end, on_wait)
        finally:
            consumer.close()


def _read_to(consumer: Consumer, store: Store, topic_id: UUID, end: int, on_wait: Callable[[], None]) -> int:
    replayed, reached = 0, -1
    deadline = time.monotonic() + RESTORE_SECONDS
    while reached < end:
        changes: dict[bytes, bytes | None] = {}
        for message in consumer.consume(RESTORE_RECORDS, 0.2):
            error = message.error()
            if error is None:
                changes[message.key() or b""] = message.value()
                reached = (message.offset() or 0) + 1
                replayed += 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  its public name is the same
                reached = message.offset() or 0
            elif not error.retriable():
                raise Transient(f"The changelog cannot be read: {error.str()}.")
        if changes:
            store.write(changes, Checkpoint(topic_id, reached, datetime.now(UTC)))
        if time.monotonic() > deadline:
            raise Transient(f"The changelog was not read to its end in {RESTORE_SECONDS:.0f} s.")
        on_wait()
    store.write({}, Checkpoint(topic_id, reached, datetime.now(UTC)))
    return replayed
