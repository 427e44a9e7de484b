"""Kafka clients with the settings that every part of Headrace uses, each with its reason."""

from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient

from contracts.errors import Terminal
from contracts.settings import Settings
from contracts.topics import MAX_DEAD_LETTER_BYTES

_RECONNECT = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 2_000}


def producer(settings: Settings, **overrides: Any) -> Producer:
    """An idempotent producer that puts keys where Java clients put them."""
    return Producer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 1_000_000,
            "message.max.bytes": MAX_DEAD_LETTER_BYTES + 48_576,
            "queue.buffering.max.messages": 200_000,
            **_RECONNECT,
            **overrides,
        }
    )


def consumer(settings: Settings, group: str, **overrides: Any) -> Consumer:
    """A consumer that sees committed records only and never moves its own position or commits by itself."""
    return Consumer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "group.id": group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "partition.assignment.strategy": "cooperative-sticky",
            # librdkafka's default of 1 s stalls a drained queue: it halved the landing rate.
            "fetch.queue.backoff.ms": 5,
            "queued.max.messages.kbytes": 16_384,
            "fetch.message.max.bytes": 2_000_000,
            **_RECONNECT,
            **overrides,
        }
    )


def admin(settings: Settings) -> AdminClient:
    """An admin client."""
    return AdminClient({"bootstrap.servers": settings.bootstrap_servers, **_RECONNECT})


def raw_settings(settings: Settings) -> dict[str, Any]:
    """Settings of kafka-python, which fetches raw batches (`streaming.runtime.careful`)."""
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": "headrace-raw",
        "receive_message_max_bytes": 64 << 20,
        "request_timeout_ms": 20_000,
    }


def ends_consumer(error: KafkaError) -> bool:
    """Whether a consumer is of no more use after an error.

    What `consume` gives instead of a record does not say so itself: its code is `_FATAL`, and `fatal()` is False.
    """
    return error.fatal() or error.code() in (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID)  # noqa: SLF001


class FatalErrors:
    """Notices the errors that end a consumer for good, such as being fenced; pass `noticed` as its `error_cb`.

    `consume` does not report all of them: a static member that was fenced went on getting nothing, without a word.
    """

    def __init__(self) -> None:
        self._found: list[KafkaError] = []

    def noticed(self, error: KafkaError) -> None:
        """Take an error of any kind."""
        if ends_consumer(error):
            self._found.append(error)

    def check(self) -> None:
        """Raise `Terminal` if the consumer has ended."""
        if self._found:
            raise Terminal(
                f"Kafka ended this consumer: {self._found[0].str()}.", remedy="The supervisor starts it again."
            )
