"""Skips what Connect's consumer cannot read: a batch at which a delivery's task fails is set apart, and the delivery
resumes after it.

A sink's offsets are altered in its consumer group, as Connect does (KIP-875), while the group has no members. A failed
task has left the group and has committed what it stored.
"""

from uuid import UUID

import psycopg
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from headrace.contracts.delivery import Delivery
from headrace.contracts.errors import Transient
from headrace.contracts.postgres import postgres_needed
from headrace.contracts.settings import Settings
from headrace.streaming.connect.connectors import consumer_group, sink_name
from headrace.streaming.connect.delivered import committed_offsets
from headrace.streaming.landing import apart
from headrace.streaming.runtime import logs, metrics
from headrace.streaming.runtime.careful.reader import CarefulReader, Unreadable
from headrace.streaming.runtime.health import quiet_admin
from headrace.streaming.runtime.topics import TIMEOUT_SECONDS, offset_bounds, topic_ids

LIMIT_BYTES = 4 << 20
"""Largest content of a batch, inflated: processors send batches of 1 MB, and a worker has 320 MB for several copies."""


def pass_unreadable(settings: Settings, delivery: Delivery) -> list[Unreadable]:
    """Set apart the batches at which a delivery has stopped, and move it past them. Its task must have failed.

    Raises:
        Transient: Kafka or PostgreSQL is unavailable, or a task is still in the group.
    """
    admin = quiet_admin(settings)
    found = _unreadable(settings, admin, delivery)
    if not found:
        return []
    topic_id = topic_ids(admin, [delivery.topic])[delivery.topic]
    _record(settings, topic_id, sink_name(delivery), found)
    # Record first: a batch that is skipped without a record would be lost silently.
    _move(settings, delivery, {each.partition: each.next for each in found})
    for each in found:
        metrics.SET_APART.labels(sink_name(delivery), each.topic).inc()
        place = {"topic": each.topic, "partition": each.partition, "first": each.first, "next": each.next}
        logs.logger(part="connect").error("set apart: cannot be read", **place, reason=each.reason)
    return found


def _unreadable(settings: Settings, admin: AdminClient, delivery: Delivery) -> list[Unreadable]:
    """The unreadable batches at the committed offsets, including any that directly follow."""
    committed = committed_offsets(settings, delivery)
    bounds = offset_bounds(admin, [(delivery.topic, partition) for partition in committed])
    found: list[Unreadable] = []
    with CarefulReader(settings, check_crc=True, limit=LIMIT_BYTES) as reader:
        for (topic, partition), (low, _) in bounds.items():
            at = max(low, committed[partition])
            while (stretch := reader.next_batch(topic, partition, at)) is not None and stretch.unreadable is not None:
                found.append(stretch.unreadable)
                at = stretch.next
    return found


def _record(settings: Settings, topic_id: UUID, reader: str, found: list[Unreadable]) -> None:
    try:
        with (
            postgres_needed(),
            psycopg.connect(settings.conninfo(), connect_timeout=10, application_name="headrace-connect") as db,
        ):
            for each in found:
                apart.insert(db, topic_id, each, reader)
    except psycopg.errors.UndefinedTable as error:
        raise Transient("The landing tables do not exist yet: the first lander creates them.") from error


def _move(settings: Settings, delivery: Delivery, nexts: dict[int, int]) -> None:
    # Uses the worker's login: the watcher's may only read.
    admin = quiet_admin(settings.model_copy(update={"kafka_user": "connect"}))
    places = [TopicPartition(delivery.topic, partition, following) for partition, following in nexts.items()]
    request = ConsumerGroupTopicPartitions(consumer_group(delivery), places)
    futures = admin.alter_consumer_group_offsets([request], request_timeout=TIMEOUT_SECONDS)
    try:
        for future in futures.values():
            for place in future.result().topic_partitions:
                if place.error is not None:
                    raise Transient(f"Kafka did not move {request.group_id}: {place.error.str()}.")
    except KafkaException as error:
        raise Transient(f"Kafka did not move {request.group_id}: {error.args[0].str()}.") from error
