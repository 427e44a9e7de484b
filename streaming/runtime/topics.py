"""The broker's topics: created from the contracts, and identified by id, since a recreated topic keeps its name."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from uuid import UUID

import stamina
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.topic import Topic

TIMEOUT_SECONDS = 20.0


def create_topics(client: AdminClient, topics: Iterable[Topic], *, replication: int = 1) -> list[str]:
    """Create the topics that do not exist and bring the settings of the others up to date; returns those created.

    Partitions are added where the contract has more than the broker, never removed.

    Raises:
        Transient: the broker failed the request, or did not answer.
        Terminal: the cluster has fewer brokers than the replication factor.
    """
    wanted = {topic.name: topic for topic in topics}
    new = [NewTopic(t.name, t.partitions, replication, config=t.config) for t in wanted.values()]
    created: list[str] = []
    for name, future in client.create_topics(new, operation_timeout=TIMEOUT_SECONDS).items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.INVALID_REPLICATION_FACTOR:
                raise Terminal(
                    f"Kafka has fewer brokers than the replication factor {replication} of {name}.",
                    remedy="Start the missing brokers, or use a lower replication factor.",
                ) from error
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise Transient(f"Kafka did not create topic {name}: {error.args[0].str()}.") from error
    existing = [topic for name, topic in wanted.items() if name not in created]
    if existing:
        _update(client, existing)
    return created


def _update(client: AdminClient, topics: list[Topic]) -> None:
    entries = [
        ConfigResource(
            ResourceType.TOPIC,
            topic.name,
            incremental_configs=[
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                for name, value in topic.config.items()
            ],
        )
        for topic in topics
    ]
    for resource, future in client.incremental_alter_configs(entries, request_timeout=TIMEOUT_SECONDS).items():
        try:
            future.result()
        except KafkaException as error:
            raise Transient(f"Kafka rejected the settings of {resource.name}: {error.args[0].str()}.") from error
    known = partition_counts(client, [topic.name for topic in topics])
    grown = [NewPartitions(t.name, t.partitions) for t in topics if known.get(t.name, t.partitions) < t.partitions]
    if grown:
        for name, future in client.create_partitions(grown, request_timeout=TIMEOUT_SECONDS).items():
            try:
                future.result()
            except KafkaException as error:
                # Another process has added them concurrently.
                if error.args[0].code() != KafkaError.INVALID_PARTITIONS:
                    raise Transient(f"Kafka did not add partitions to {name}: {error.args[0].str()}.") from error


def partition_counts(client: AdminClient, names: Iterable[str]) -> dict[str, int]:
    """The current partition counts of topics, which may exceed the declared ones. Missing topics are left out.

    Raises:
        Transient: the broker did not answer.
    """
    try:
        known = client.list_topics(timeout=TIMEOUT_SECONDS).topics
    except KafkaException as error:
        raise Transient(f"Kafka did not list its topics: {error.args[0].str()}.") from error
    return {name: len(known[name].partitions) for name in names if name in known and known[name].partitions}


def topic_ids(client: AdminClient, names: Iterable[str]) -> dict[str, UUID]:
    """The ids of the topics. Missing topics are left out.

    Raises:
        Transient: the broker did not answer.
    """
    return ask_topic_ids(client, names)()


def ask_topic_ids(client: AdminClient, names: Iterable[str]) -> Callable[[], dict[str, UUID]]:
    """Request the topics' ids asynchronously; calling the returned function waits for the response."""
    futures = client.describe_topics(TopicCollection(list(names)), request_timeout=TIMEOUT_SECONDS)

    def answer() -> dict[str, UUID]:
        ids: dict[str, UUID] = {}
        for name, future in futures.items():
            try:
                raw = future.result().topic_id
                ids[name] = UUID(int=_as_int(raw.get_most_significant_bits(), raw.get_least_significant_bits()))
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise Transient(f"Kafka did not describe topic {name}: {error.args[0].str()}.") from error
        return ids

    return answer


def _as_int(most: int, least: int) -> int:
    mask = (1 << 64) - 1
    return ((most & mask) << 64) | (least & mask)


def offset_bounds(client: AdminClient, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, int]]:
    """First retained offset and last stable offset (exclusive) of each partition, by topic name and partition.

    Missing partitions are left out. Raises `Transient` if the broker did not answer.
    """
    wanted = [TopicPartition(topic, partition) for topic, partition in partitions]
    if not wanted:
        return {}
    starts = _listed(client, wanted, OffsetSpec.earliest())
    ends = _listed(client, wanted, OffsetSpec.latest())
    return {key: (starts[key], ends[key]) for key in starts.keys() & ends.keys()}


def has_records(client: AdminClient, topic: str) -> bool:
    """Whether a topic exists and retains any record. Raises `Transient` if the broker did not answer."""
    partitions = [(topic, number) for number in range(partition_counts(client, [topic]).get(topic, 0))]
    return any(end > start for start, end in offset_bounds(client, partitions).values())


def _refresh(client: AdminClient, topic: str) -> None:
    """Make a client refresh the leaders of a topic, which otherwise takes minutes."""
    with suppress(KafkaException):
        client.list_topics(topic, timeout=5.0)


def leader_epochs(client: AdminClient, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """The current leader epoch of each partition; those that the broker does not send are left out."""
    wanted = [TopicPartition(topic, partition) for topic, partition in partitions]
    if not wanted:
        return {}
    return {key: epoch for key, (_, epoch) in _answers(client, wanted, OffsetSpec.latest()).items() if epoch >= 0}


class _NoLeader(Transient):
    """A partition has no leader, as for a new topic. Usually this is resolved soon, unless a broker is gone."""

    def __init__(self, topic: str, partition: int, error: KafkaError) -> None:
        super().__init__(
            f"{topic}-{partition} has no leader ({error.str()}): the broker that holds it is down, or was taken out of"
            " the cluster. Start that broker again, or move the partition with `kafka-reassign-partitions`."
        )


_NO_LEADER = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.BROKER_NOT_AVAILABLE,
    # The client has a leader from before the broker's restart, or one that the broker does not know yet.
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
)


def _listed(client: AdminClient, wanted: list[TopicPartition], which: OffsetSpec | None) -> dict[tuple[str, int], int]:
    return {key: offset for key, (offset, _) in _answers(client, wanted, which).items()}


@stamina.retry(on=_NoLeader, attempts=None, timeout=TIMEOUT_SECONDS, wait_initial=0.1, wait_max=1.0)
def _answers(
    client: AdminClient,
    wanted: list[TopicPartition],
    which: OffsetSpec | None,
    isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
) -> dict[tuple[str, int], tuple[int, int]]:
    """Offset and leader epoch (-1: unknown) of each partition."""
    found: dict[tuple[str, int], tuple[int, int]] = {}
    futures = client.list_offsets(
        dict.fromkeys(wanted, which),  # pyright: ignore[reportArgumentType]  only typed as optional
        isolation_level=isolation,
        request_timeout=TIMEOUT_SECONDS,
    )
    for partition, future in futures.items():
        try:
            answer = future.result()
            epoch = getattr(answer, "leader_epoch", None)
            found[partition.topic, partition.partition] = (answer.offset, -1 if epoch is None else int(epoch))
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
                continue
            if code in _NO_LEADER:
                _refresh(client, partition.topic)
                raise _NoLeader(partition.topic, partition.partition, error.args[0]) from error
            raise Transient(f"Kafka did not return the offsets of {partition.topic}: {error.args[0].str()}.") from error
    return found


def uncommitted_ends(client: AdminClient, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """End of each partition, including open transactions."""
    wanted = [TopicPartition(topic, partition) for topic, partition in partitions]
    if not wanted:
        return {}
    answers = _answers(client, wanted, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)
    return {key: offset for key, (offset, _) in answers.items()}


@stamina.retry(on=_NoLeader, attempts=None, timeout=TIMEOUT_SECONDS, wait_initial=0.1, wait_max=1.0)
def uncommitted_end(admin: AdminClient, topic: str, partition: int) -> int:
    """End of a partition, including open transactions."""
    wanted = dict.fromkeys([TopicPartition(topic, partition)], OffsetSpec.latest())
    (future,) = admin.list_offsets(
        wanted,  # pyright: ignore[reportArgumentType]  latest() is only typed as optional
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
        request_timeout=TIMEOUT_SECONDS,
    ).values()
    try:
        return int(future.result().offset)
    except KafkaException as error:
        # A new partition is not visible immediately.
        if error.args[0].code() in (*_NO_LEADER, KafkaError.UNKNOWN_TOPIC_OR_PART):
            _refresh(admin, topic)
            raise _NoLeader(topic, partition, error.args[0]) from error
        raise
