"""The transactional producer that processors and live sources share: one transactional id, one transaction at a time.

The caller decides the content and order of a transaction. An abortable failure raises `KafkaException`, to be passed to
`abort`. If the outcome is unknown, `Terminal` is raised and the process must end: librdkafka does not implement
KIP-890, so the producer must not be used afterwards. The supervisor restarts the process.
"""

from collections.abc import Callable, Iterable

import stamina
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from contracts.errors import Terminal, Transient
from contracts.settings import Settings
from streaming.runtime import clients, logs
from streaming.runtime.watchdog import Watchdog

ANY_PARTITION = -1
"""The partition depends on the key."""
TRANSACTION_TIMEOUT_MS = 10_000
CALL_SECONDS = 30.0
OVERDUE_SECONDS = 20.0
"""Twice the broker's transaction timeout: a longer transaction was aborted, or its outcome is unknown."""
RESTART = "The supervisor restarts it from the last commit."


class Transactions:
    """The producer of one transactional id. Run everything between `begin` and `commit` under its `watchdog`."""

    def __init__(self, settings: Settings, transactional_id: str, *, linger_ms: int = 5) -> None:
        """`linger_ms` may be long if `flush`, which sends immediately, follows soon after the last record."""
        self._producer: Producer = clients.producer(
            settings,
            **{
                "transactional.id": transactional_id,
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "delivery.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "linger.ms": linger_ms,
                "queue.buffering.max.messages": 500_000,
            },
        )
        self._log = logs.logger(part="transactions", transactional_id=transactional_id)
        self.watchdog = Watchdog(OVERDUE_SECONDS)

    def start(self) -> None:
        """Fence any earlier producer with this transactional id, and abort its open transaction.

        Raises:
            Terminal: the broker did not answer in time.
        """
        self._call("init_transactions", self._producer.init_transactions)

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
        """Add a record; waits while the queue is full."""
        while True:
            try:
                return self._producer.produce(topic, value, key, **more)  # pyright: ignore[reportArgumentType]
            except BufferError:
                self._producer.poll(0.1)

    def send_all(
        self, topic: str, records: Iterable[tuple[bytes, bytes | None]], partition: int = ANY_PARTITION
    ) -> None:
        """Add many keys and values. Inlined, since an extra call takes half as long as `produce`."""
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
        self._call("abort_transaction", self._producer.abort_transaction)

    def _call(self, name: str, call: Callable[[float], None]) -> None:
        try:
            for attempt in stamina.retry_context(
                on=_is_retriable, attempts=None, timeout=CALL_SECONDS, wait_initial=0.2, wait_max=1.0, wait_jitter=0.1
            ):
                with attempt:
                    call(CALL_SECONDS)
        except KafkaException as error:
            raise Terminal(f"{name} failed: {error.args[0].str()}.", remedy=RESTART) from error


def _is_retriable(error: Exception) -> bool:
    return isinstance(error, KafkaException) and error.args[0].retriable()
