"""Changelogs: compacted topics with the content of the local stores, and restoring stores from them.

There is one for each processor and input topic, with as many partitions as the input. Restoring reads to the end that
a `read_uncommitted` reader sees, and waits until a `read_committed` reader has passed it: a former owner's transaction
may still be open, and its records would be missed if it is committed.
"""

import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from uuid import UUID

from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from headrace.contracts import clock
from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.contracts.topic import ARRIVAL_TIMES, Topic
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime import clients, logs
from headrace.streaming.runtime.lookup import content_print, first_records
from headrace.streaming.runtime.open_transactions import abort, open_transactions
from headrace.streaming.runtime.processing.store import Checkpoint, Store, is_usable
from headrace.streaming.runtime.topics import (
    TIMEOUT_SECONDS,
    create_topics,
    partition_counts,
    topic_ids,
    uncommitted_end,
)
from headrace.streaming.runtime.transactions import OVERDUE_SECONDS

DELETE_RETENTION = timedelta(days=7)
RESTORE_RECORDS = 10_000
RESTORE_SECONDS = 600.0
"""For all partitions of an assignment together. Restoring happens during a poll, so the consumer's poll interval must
be a little longer (`MAX_POLL_SECONDS`)."""
MAX_POLL_SECONDS = RESTORE_SECONDS + 60.0
COMPACTION_LAG = timedelta(days=1)
"""Approximate time after which deleted entries are removed from the changelog."""

HANGING_SECONDS = 2 * OVERDUE_SECONDS
"""The broker ends a processor's transaction after `TRANSACTION_TIMEOUT_MS`. One that is open this long has lost its
marker."""

_MILLISECOND = timedelta(milliseconds=1)


class ChangelogTopic(Topic):
    """A topic without a contract, which the lander ignores."""

    @property
    def config(self) -> dict[str, str]:
        return {
            "cleanup.policy": "compact",
            "delete.retention.ms": str(DELETE_RETENTION // _MILLISECOND),
            "max.compaction.lag.ms": str(COMPACTION_LAG // _MILLISECOND),
            "max.message.bytes": super().config["max.message.bytes"],
            **ARRIVAL_TIMES,
        }


def changelog_topic(processor: str, input_topic: str, partitions: int = 0) -> ChangelogTopic:
    """The changelog of a processor's state for an input, which may have more `partitions` than declared."""
    declared = TOPICS[input_topic]
    name = f"headrace.{processor}.{input_topic}.state"
    count = max(declared.partitions, partitions)
    return ChangelogTopic(name, declared.domain, "the state's own key", None, count, -1, compacted=True)


def create(admin: AdminClient, processor: str, inputs: tuple[str, ...]) -> dict[str, UUID]:
    """Create missing changelogs and partitions; returns the id of each input's changelog.

    Raises:
        Transient: the broker does not answer, or does not serve them yet.
    """
    counts = partition_counts(admin, inputs)
    topics = {name: changelog_topic(processor, name, counts.get(name, 0)) for name in inputs}
    create_topics(admin, topics.values())
    names = [topic.name for topic in topics.values()]
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(ids := topic_ids(admin, names)) < len(topics) or not _are_complete(admin, topics.values()):
        if time.monotonic() > deadline:
            raise Transient("Kafka does not serve the changelog topics yet.")
        time.sleep(0.1)
    return {name: ids[topic.name] for name, topic in topics.items()}


def _are_complete(admin: AdminClient, topics: Iterable[Topic]) -> bool:
    counts = partition_counts(admin, [topic.name for topic in topics])
    return all(counts.get(topic.name, 0) >= topic.partitions for topic in topics)


class Restorer:
    """Restores stores to the end of their changelogs. A context manager with one consumer for all of them.

    The total time limit is `RESTORE_SECONDS`. After a timeout, the next start of the process resumes from the
    checkpoints.
    """

    def __init__(self, settings: Settings, admin: AdminClient, processor: str, ids: Mapping[str, UUID]) -> None:
        self._settings = settings
        self._admin = admin
        self._processor = processor
        self._ids = ids
        self._deadline = time.monotonic() + RESTORE_SECONDS
        self._consumer = clients.consumer(
            settings,
            f"{settings.database}-{processor}-restore",
            **{"enable.partition.eof": True, "auto.offset.reset": "earliest"},
        )

    def __enter__(self) -> "Restorer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def open(self, input_topic: str, partition: int, folder: Path) -> tuple[Store, int]:
        """The up-to-date store of a partition, and the number of changelog records replayed for it.

        Raises:
            Transient: the changelog could not be read to its end in time.
        """
        changelog = changelog_topic(self._processor, input_topic).name
        topic_id = self._ids[input_topic]
        end = uncommitted_end(self._admin, changelog, partition)
        store = Store(folder)
        checkpoint = store.checkpoint
        usable = checkpoint is not None and is_usable(checkpoint, topic_id, end, DELETE_RETENTION, clock.now())
        if checkpoint is None or not usable or not self._holds((changelog, partition), checkpoint):
            store.close()
            store, checkpoint = Store.emptied(folder), Checkpoint(topic_id, 0, clock.now())
        try:
            replayed = self._replay(store, TopicPartition(changelog, partition, checkpoint.offset), checkpoint, end)
        except BaseException:
            store.close()
            raise
        return store, replayed

    def _holds(self, key: tuple[str, int], checkpoint: Checkpoint) -> bool:
        """Whether the changelog still has the last record that the store applied.

        If the broker lost it, it lost others, too, or has reused their offsets. (If it was only compacted, restoring
        from the beginning is unnecessary but harmless.)
        """
        if checkpoint.last is None:
            return True
        offset, *content = checkpoint.last
        found = first_records(self._settings, self._consumer, {key: offset}).get(key)
        if not isinstance(found, Message) or found.offset() != offset:
            return False
        return [*content_print(found.value())] == content

    def _end_hanging(self, key: tuple[str, int]) -> None:
        """Abort a hanging transaction, whose marker was written by the coordinator and then lost.

        Only instances of this processor write here, and their transactions have long ended. Their records are processed
        again from the previous ledger.
        """
        for found in open_transactions(self._settings, self._admin, [key], patience=HANGING_SECONDS):
            logs.logger(part=self._processor).error("a transaction hangs in the changelog", reason=found.reason)
            if found.producer_id is not None:
                abort(self._settings, found)

    def _replay(self, store: Store, place: TopicPartition, checkpoint: Checkpoint, end: int) -> int:
        replayed, reached, held = 0, checkpoint.offset, checkpoint.last
        last: Message | None = None
        if reached < end:
            self._consumer.assign([place])
        stands_since = time.monotonic()
        while reached < end:
            changes: dict[bytes, bytes | None] = {}
            for message in self._consumer.consume(RESTORE_RECORDS, 0.2):
                error = message.error()
                if error is None:
                    changes[message.key() or b""] = message.value()
                    reached = (message.offset() or 0) + 1
                    replayed += 1
                    last = message
                elif error.code() == clients.END_OF_PARTITION:
                    reached = message.offset() or 0
                elif not error.retriable():
                    raise Transient(f"The changelog cannot be read: {error.str()}.")
            if changes:
                stands_since = time.monotonic()
                # The end has not been reached, so the store is only as recent as its start.
                held = last_taken(last) or held
                store.write(changes, Checkpoint(checkpoint.topic_id, reached, checkpoint.written_at, held))
            elif time.monotonic() - stands_since > HANGING_SECONDS:
                stands_since = time.monotonic()
                self._end_hanging((place.topic, place.partition))
            if time.monotonic() > self._deadline:
                raise Transient(f"The state was not restored in {RESTORE_SECONDS:.0f} s; the next start resumes.")
        store.write({}, Checkpoint(checkpoint.topic_id, reached, clock.now(), held))
        return replayed


def last_taken(message: Message | None) -> tuple[int, int, int] | None:
    """Identifies the last applied record in a checkpoint."""
    return None if message is None else (message.offset() or 0, *content_print(message.value()))
