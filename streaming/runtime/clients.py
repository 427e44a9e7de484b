"""Kafka clients with the settings that every part of Headrace uses, each with its reason."""

from typing import Any

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

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
