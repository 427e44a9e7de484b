"""The one transactional producer: one transactional id, one transaction at a time.

The caller decides the content and order of a transaction. A process that runs on uses `begin`, `commit` and `abort`: an
abortable failure raises `KafkaException`, to be passed to `abort`. If the outcome is unknown, `Terminal` is raised and
the process must end: librdkafka does not implement KIP-890, so the producer must not be used afterwards. The supervisor
restarts the process. A command that can be run again uses `transaction`.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property

import stamina
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.settings import Settings
from headrace.streaming.runtime import clients, logs
from headrace.streaming.runtime.versions import version_headers
from headrace.streaming.runtime.watchdog import Watchdog

ANY_PARTITION = -1
"""The partition depends on the key."""
TRANSACTION_TIMEOUT_MS = 10_000
CALL_SECONDS = 30.0
OVERDUE_SECONDS = 2 * TRANSACTION_TIMEOUT_MS / 1_000
"""Twice the broker's transaction timeout: a longer transaction was aborted, or its outcome is unknown."""
RESTART = "The supervisor restarts it from the last commit."


class Transactions:
    """The producer of one transactional id."""

    def __init__(
        self,
        settings: Settings,
        transactional_id: str,
        *,
        linger_ms: int = 5,
        timeout_ms: int = TRANSACTION_TIMEOUT_MS,
    ) -> None:
        """`linger_ms` may be long if `flush`, which sends immediately, follows soon after the last record.

        The broker aborts a transaction that is open for longer than `timeout_ms`.
        """
        self._producer: Producer = clients.producer(
            settings,
            **{
                "transactional.id": transactional_id,
                "transaction.timeout.ms": timeout_ms,
                "delivery.timeout.ms": timeout_ms,
                "linger.ms": linger_ms,
                "queue.buffering.max.messages": 500_000,
            },
        )
        self._log = logs.logger(part="transactions", transactional_id=transactional_id)
        self._overdue_seconds = OVERDUE_SECONDS * timeout_ms / TRANSACTION_TIMEOUT_MS

    @cached_property
    def watchdog(self) -> Watchdog:
        """A process that runs on has everything between `begin` and `commit` under it."""
        return Watchdog(self._overdue_seconds)

    def start(self) -> None:
        """Fence any earlier producer with this transactional id, and abort its open transaction.

        Raises:
            Transient: the broker did not answer in time.
        """
        try:
            self._retry(self._producer.init_transactions)
        except KafkaException as error:
            raise Transient(f"Kafka did not start transactions: {error.args[0].str()}.") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction of a command that can be run again: committed at the end of the block, aborted if it raises.

        Raises:
            Transient: Kafka failed it. It is not visible, or its commit was not acknowledged; `start` of the next run
                settles it.
        """
        try:
            self.begin()
            yield
            self.commit()
        except KafkaException as error:
            if error.args[0].txn_requires_abort():
                self._end()
            raise Transient(f"Kafka did not accept a transaction: {error.args[0].str()}.") from error
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        """Abort, so that readers need not wait for the timeout. The next run's `start` aborts it otherwise."""
        with suppress(KafkaException):
            self._producer.abort_transaction(CALL_SECONDS)

    def learn_partitions(self, topics: Iterable[str]) -> None:
        """Refresh the topics' partitions now, which the producer otherwise does only after minutes.

        Raises:
            Transient: the broker did not answer.
        """
        for topic in topics:
            try:
                self._producer.list_topics(topic, timeout=CALL_SECONDS)
            except KafkaException as error:
                raise Transient(f"Kafka did not return the partitions of {topic}: {error.args[0].str()}.") from error

    def begin(self) -> None:
        self._producer.begin_transaction()

    def send(self, topic: str, value: bytes | None, key: bytes | None, **more: object) -> None:
        """Add a record; waits while the queue is full. Without `headers`, it gets the version of its contract."""
        more.setdefault("headers", version_headers(topic))
        while True:
            try:
                return self._producer.produce(topic, value, key, **more)  # pyright: ignore[reportArgumentType]
            except BufferError:
                self._producer.poll(0.1)

    def send_all(
        self,
        topic: str,
        records: Iterable[tuple[bytes, bytes | None]],
        partition: int = ANY_PARTITION,
    ) -> None:
        """Add many keys and values. Inlined, since an extra call takes half as long as `produce`."""
        if version_headers(topic):
            for key, value in records:
                self.send(topic, value, key, partition=partition)
            return
        produce = self._producer.produce
        for key, value in records:
            try:
                produce(topic, value, key, partition)
            except BufferError:
                self.send(topic, value, key, partition=partition)

    def flush(self) -> None:
        """Wait until the broker has acknowledged all records and the delivery reports were processed."""
        if self._producer.flush(CALL_SECONDS):
            raise Transient("Kafka did not accept a batch in time.")

    def send_offsets(self, offsets: list[TopicPartition], group: object) -> None:
        """Add a consumer group's offsets, with the generation in its metadata `group`."""
        self._producer.send_offsets_to_transaction(offsets, group, CALL_SECONDS)

    def commit(self) -> None:
        self._producer.commit_transaction(CALL_SECONDS)

    def abort(self, error: KafkaException) -> None:
        """Abort after `error`.

        Raises:
            Terminal: it cannot be aborted, so its outcome is unknown.
        """
        cause: KafkaError = error.args[0]
        if not cause.txn_requires_abort():
            raise Terminal(f"The outcome of a transaction is unknown: {cause.str()}.", remedy=RESTART) from error
        self._log.warning("transaction aborted", code=cause.name())
        try:
            self._retry(self._producer.abort_transaction)
        except KafkaException as failed:
            raise Terminal(f"A transaction was not aborted: {failed.args[0].str()}.", remedy=RESTART) from failed

    def _retry(self, call: Callable[[float], None]) -> None:
        for attempt in stamina.retry_context(
            on=_is_retriable, attempts=None, timeout=CALL_SECONDS, wait_initial=0.2, wait_max=1.0, wait_jitter=0.1
        ):
            with attempt:
                call(CALL_SECONDS)


def _is_retriable(error: Exception) -> bool:
    return isinstance(error, KafkaException) and error.args[0].retriable()
