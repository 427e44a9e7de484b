"""Fetches record batches as the broker stores them, with kafka-python: librdkafka only returns records."""

import logging
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import KafkaException
from kafka.errors import KafkaError
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.protocol.consumer import FetchRequest

from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.streaming.runtime import clients

TIMEOUT_MS = 20_000
_WAIT_MS = 100
_READ_COMMITTED = 1
_LAST_VERSION_BY_NAME = 12
"""Later versions of the request identify topics by id."""
_NO_EPOCH = -1

logging.getLogger("kafka").setLevel(logging.CRITICAL)  # errors are raised, and logged by the caller


class Piece(NamedTuple):
    """Bytes of a log from the batch with the requested offset on; empty at the end of committed data.

    `aborted` has producer ids and first offsets of aborted transactions.
    """

    data: bytes
    aborted: list[tuple[int, int]]


class RawConnection:
    """Sends protocol requests to the cluster's brokers; a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._net: Any = NetworkSelector()
        try:
            self._manager: Any = KafkaConnectionManager(self._net, **clients.raw_settings(settings))
            self._manager.bootstrap(TIMEOUT_MS)
        except KafkaError as error:
            raise Transient(f"Kafka does not answer: {error}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._manager.close()
        self._net.close()

    def ask(self, request: object, node: int) -> Any:
        """A broker's response. Raises `Transient` if there is none."""
        try:
            return self._manager.run(self._manager.wait_for, self._manager.send(request, node_id=node), TIMEOUT_MS)
        except KafkaError as error:
            raise Transient(f"Kafka does not answer: {error}.") from error

    def nodes(self) -> list[int]:
        """The ids of the known brokers."""
        return [broker.node_id for broker in self._manager.cluster.brokers()]


class RawBroker(RawConnection):
    """Fetches batches."""

    def __init__(self, settings: Settings) -> None:
        self._admin = clients.admin(settings)
        super().__init__(settings)

    def fetch(self, topic: str, partition: int, offset: int, max_bytes: int) -> Piece:
        """Committed batches from `offset` on, about `max_bytes` in total but at least one complete batch.

        Raises:
            Transient: the broker did not answer, or returned an error.
        """
        kind: Any = FetchRequest
        wanted = kind.FetchTopic.FetchPartition(
            partition=partition, fetch_offset=offset, partition_max_bytes=max_bytes, current_leader_epoch=_NO_EPOCH
        )
        request = kind(
            replica_id=-1,
            max_wait_ms=_WAIT_MS,
            min_bytes=1,
            max_bytes=max_bytes,
            isolation_level=_READ_COMMITTED,
            session_id=0,
            session_epoch=-1,
            topics=[kind.FetchTopic(topic=topic, partitions=[wanted])],
            max_version=_LAST_VERSION_BY_NAME,
        )
        answer = self.ask(request, self._leader(topic, partition))
        found = answer.responses[0].partitions[0]
        if found.error_code:
            raise Transient(f"Kafka did not return the batches of {topic}-{partition}: error {found.error_code}.")
        aborted = [(each.producer_id, each.first_offset) for each in found.aborted_transactions or ()]
        return Piece(bytes(found.records or b""), aborted)

    def _leader(self, topic: str, partition: int) -> int:
        try:
            known = self._admin.list_topics(topic, timeout=TIMEOUT_MS / 1_000).topics[topic].partitions
        except KafkaException as error:
            raise Transient(f"Kafka did not describe {topic}: {error.args[0].str()}.") from error
        if partition not in known or known[partition].leader < 0:
            raise Transient(f"{topic}-{partition} has no leader now.")
        return known[partition].leader
