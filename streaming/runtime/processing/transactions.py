"""The producing side of a slot: all that a batch came to, and the offsets it ends at, in one Kafka transaction.

Whatever fails in a way that can be aborted is aborted (`Aborted`). Where the outcome of a call is unknown the process
has to end: librdkafka has no KIP-890, so a producer may not be used after that.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from contracts.errors import Terminal, Transient
from contracts.settings import Settings
from contracts.topics import TOPICS
from streaming.processors.processor import Processor
from streaming.runtime import clients
from streaming.runtime.failpoints import failpoint
from streaming.runtime.processing.batch import Headers, Share, letter_headers, letter_key
from streaming.runtime.processing.changelog import changelog_topic
from streaming.runtime.processing.store import LEDGER_KEY
from streaming.runtime.transactions import CALL_SECONDS, OVERDUE_SECONDS, RESTART, TRANSACTION_TIMEOUT_MS
from streaming.runtime.watchdog import Watchdog

Key = tuple[str, int]
"""An input partition: topic and number."""

MAX_QUEUED = 500_000


class Aborted(Exception):  # noqa: N818  an outcome, not a failure
    """The transaction was aborted; nothing of it will be seen. The message is Kafka's name of the cause."""


class Part(NamedTuple):
    """What one input partition adds to a transaction: its records, what they came to, and its ledger after them."""

    messages: Sequence[Message]
    share: Share
    ledger: bytes


class Transactions:
    """Commits batches, one transaction each."""

    def __init__(self, settings: Settings, processor: Processor, transactional_id: str) -> None:
        self._name = processor.name
        self._output = processor.output
        self._changelogs = {topic: changelog_topic(processor.name, topic).name for topic in processor.inputs}
        self._producer: Producer = clients.producer(
            settings,
            **{
                "transactional.id": transactional_id,
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "delivery.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "linger.ms": 5,
                "queue.buffering.max.messages": MAX_QUEUED,
            },
        )
        self._watchdog = Watchdog(OVERDUE_SECONDS)

    def prepare(self) -> None:
        """Fence former owners of the transactional id, and have what they left open aborted."""
        self._call("init_transactions", self._producer.init_transactions)

    def commit(self, parts: Mapping[Key, Part], group: Any) -> dict[Key, int]:
        """Commit a batch with its offsets in the consumer group, whose metadata `group` is, as it is known now.

        Returns the offset in its changelog that each partition's state then reflects.

        Raises:
            Aborted: nothing was committed.
            Transient, Terminal: the outcome is unknown, and this object is of no more use.
        """
        with self._watchdog:
            try:
                return self._commit(parts, group)
            except KafkaException as error:
                cause: KafkaError = error.args[0]
                if not cause.txn_requires_abort():
                    raise Terminal(
                        f"The outcome of a transaction is unknown: {cause.str()}.", remedy=RESTART
                    ) from error
                self._call("abort_transaction", self._producer.abort_transaction)
                raise Aborted(cause.name()) from error

    def _commit(self, parts: Mapping[Key, Part], group: Any) -> dict[Key, int]:
        reflected: dict[Key, int] = {}
        # 3. Begin, and produce everything that the batch came to.
        self._producer.begin_transaction()
        for key, part in parts.items():
            self._produce(key, part, reflected)
        failpoint("processing.produced")
        # 4. Wait until the broker has it all; the reports tell the changelog's offsets.
        if self._producer.flush(CALL_SECONDS) or len(reflected) < len(parts):
            raise Transient("Kafka did not take a batch in time.")
        failpoint("processing.flushed")
        # 5. The offsets, under the generation of the group that this slot knows.
        offsets = [TopicPartition(*key, part.share.next_offset) for key, part in parts.items()]
        self._producer.send_offsets_to_transaction(offsets, group, CALL_SECONDS)
        failpoint("processing.offsets_sent")
        # 6. Commit.
        self._producer.commit_transaction(CALL_SECONDS)
        failpoint("processing.committed")
        return reflected

    def _produce(self, key: Key, part: Part, reflected: dict[Key, int]) -> None:
        (topic, partition), (messages, share, ledger) = key, part
        output, changelog, produce = self._output, self._changelogs[topic], self._producer.produce
        for output_key, value in share.outputs:
            try:
                produce(output, value, output_key)
            except BufferError:
                self._send(output, value, output_key)
        for refused in share.refused:
            message = messages[refused.place]
            record_headers = cast("Headers | None", message.headers())
            headers = letter_headers(self._name, topic, partition, message.offset() or 0, refused, record_headers)
            letter_topic = TOPICS[topic].dead_letter
            self._send(letter_topic, message.value(), letter_key(message.key()), headers=headers)
        for state_key, value in share.changes.items():
            try:
                produce(changelog, value, state_key, partition)
            except BufferError:
                self._send(changelog, value, state_key, partition=partition)

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error is None:
                reflected[key] = (message.offset() or 0) + 1

        self._send(changelog, ledger, LEDGER_KEY, partition=partition, on_delivery=on_delivery)

    def _send(self, topic: str, value: bytes | None, key: bytes | None, **more: Any) -> None:
        while True:
            try:
                return self._producer.produce(topic, value, key, **more)
            except BufferError:
                self._producer.poll(0.1)

    def _call(self, name: str, call: Callable[[float], None]) -> None:
        deadline = time.monotonic() + CALL_SECONDS
        while True:
            try:
                return call(CALL_SECONDS)
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise Terminal(f"{name} failed: {error.args[0].str()}.", remedy=RESTART) from error
                time.sleep(0.2)
