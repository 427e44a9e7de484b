"""The producer of an instance: commits the results of a batch and its end offsets in one Kafka transaction."""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.settings import Settings
from headrace.contracts.topic import TopicAndPartition
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime.careful.headers import UNREAD, OddHeaders, headers_of
from headrace.streaming.runtime.failpoints import failpoint
from headrace.streaming.runtime.processing.batch import (
    Headers,
    PartitionResult,
    letter_headers,
    letter_key,
    letter_value,
)
from headrace.streaming.runtime.processing.changelog import changelog_topic
from headrace.streaming.runtime.processing.processor import Processor
from headrace.streaming.runtime.processing.store import LEDGER_KEY
from headrace.streaming.runtime.transactions import Transactions

HEADER_SECONDS = 3.0
"""Limit for reading headers again during a transaction; otherwise the batch could exceed the transaction timeout."""


class Aborted(Exception):  # noqa: N818  an outcome, not a failure
    """The transaction was aborted; none of it is visible."""


class PartitionCommit(NamedTuple):
    """One input partition's part of a transaction: its records, their result, and the ledger after them."""

    messages: Sequence[Message]
    result: PartitionResult
    ledger: bytes


class Committer:
    """Commits batches, one transaction each."""

    def __init__(self, settings: Settings, processor: Processor, transactional_id: str) -> None:
        self._name = processor.name
        self._output = processor.output
        self._changelogs = {topic: changelog_topic(processor.name, topic).name for topic in processor.inputs}
        self._transactions = Transactions(settings, transactional_id)
        self.odd_headers = OddHeaders(settings)
        self._headers_until = 0.0
        self._reflected: dict[TopicAndPartition, int] = {}

    def start(self) -> None:
        """Fence former owners of the transactional id, and abort their open transactions."""
        self._transactions.start()

    def learn_partitions(self) -> None:
        """Refresh the producer's metadata for changelog partitions that were added since it started."""
        self._transactions.learn_partitions(self._changelogs.values())

    def commit(
        self, commits: Mapping[TopicAndPartition, PartitionCommit], group: object
    ) -> dict[TopicAndPartition, int]:
        """Commit a batch with its offsets in the consumer group with the current metadata `group`.

        Returns the changelog offset that each partition's state then reflects.

        Raises:
            Aborted: nothing was committed.
            Transient, Terminal: the outcome is unknown, and this object must not be used again.
        """
        with self._transactions.watchdog:
            try:
                return self._commit(commits, group)
            except KafkaException as error:
                self._transactions.abort(error)
                raise Aborted from error

    def _commit(
        self, commits: Mapping[TopicAndPartition, PartitionCommit], group: object
    ) -> dict[TopicAndPartition, int]:
        reflected: dict[TopicAndPartition, int] = {}
        # 3. Begin, and produce all results of the batch.
        self._transactions.begin()
        self._headers_until = time.monotonic() + HEADER_SECONDS
        for key, commit in commits.items():
            self._produce(key, commit, reflected)
        failpoint("processing.produced")
        # 4. Wait for the broker's acknowledgments; the delivery reports have the changelog offsets.
        self._transactions.flush()
        if len(reflected) < len(commits):
            raise Transient("Kafka did not accept a batch in time.")
        failpoint("processing.flushed")
        self._require_whole(reflected)
        # 5. Send the offsets, with the group generation known to this instance.
        self._transactions.send_offsets(
            [TopicPartition(*key, commit.result.next_offset) for key, commit in commits.items()], group
        )
        failpoint("processing.offsets_sent")
        # 6. Commit.
        self._transactions.commit()
        failpoint("processing.committed")
        return reflected

    def _require_whole(self, reflected: Mapping[TopicAndPartition, int]) -> None:
        """Check that the changelogs grow: otherwise the broker lost their ends, with changes that the stores have."""
        for (topic, partition), offset in reflected.items():
            if offset <= self._reflected.get((topic, partition), 0):
                raise Terminal(
                    f"Kafka lost the end of {self._changelogs[topic]}, partition {partition}.",
                    remedy="The supervisor restarts the processor with the state in the changelog.",
                )
        self._reflected |= reflected

    def _produce(
        self, key: TopicAndPartition, commit: PartitionCommit, reflected: dict[TopicAndPartition, int]
    ) -> None:
        (topic, partition), (messages, result, ledger) = key, commit
        changelog, send, send_all = self._changelogs[topic], self._transactions.send, self._transactions.send_all
        send_all(self._output, result.outputs)
        for refused in result.refused:
            message = messages[refused.place]
            value, cut = letter_value(message.value())
            headers = letter_headers(
                self._name, topic, partition, message.offset() or 0, refused, [*self._headers(message), *cut]
            )
            send(TOPICS[topic].dead_letter, value, letter_key(message.key()), headers=headers)
        send_all(changelog, result.changes.items(), partition)

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error is None:
                reflected[key] = (message.offset() or 0) + 1

        send(changelog, ledger, LEDGER_KEY, partition=partition, on_delivery=on_delivery)

    def _headers(self, message: Message) -> Headers:
        ((found,), odd) = headers_of([message])
        if not odd:
            return cast("Headers | None", found) or []
        if time.monotonic() >= self._headers_until:
            return UNREAD
        try:
            return self.odd_headers.of(str(message.topic()), message.partition() or 0, message.offset() or 0) or []
        except Transient:
            return UNREAD
