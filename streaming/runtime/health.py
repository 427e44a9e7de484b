"""Checks whether a broker or a Connect worker is available, at startup and in diagnostics, without error output."""

import time
from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.contracts.topic import Topic
from headrace.streaming.runtime import clients

_LOG_NOTHING = 0
_NO_LEADER = -1
_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 5.0
_GROUPS_SECONDS = 20.0


def quiet_admin(settings: Settings) -> AdminClient:
    """An admin client that does not write to standard error if the broker is unavailable."""
    return AdminClient({**clients.connection(settings), "log_level": _LOG_NOTHING})


def broker_answers(settings: Settings, timeout_seconds: float = 3.0) -> bool:
    """Whether the cluster can be described and has a broker."""
    try:
        return bool(quiet_admin(settings).list_topics(timeout=timeout_seconds).brokers)
    except KafkaException:
        return False


def require_broker(settings: Settings) -> None:
    """Raise `Transient` unless a broker answers, before creating clients that would retry indefinitely."""
    if not broker_answers(settings, _PATIENCE_SECONDS):
        raise Transient(f"Kafka at {settings.bootstrap_servers} does not answer. Is the stack up (`headrace up`)?")


def group_members(settings: Settings, groups: Iterable[str]) -> set[str]:
    """The current members of consumer groups: client and host of each. A group that does not exist has none.

    Raises:
        Transient: the broker did not answer.
    """
    found: set[str] = set()
    admin = quiet_admin(settings)
    for future in admin.describe_consumer_groups(list(groups), request_timeout=_GROUPS_SECONDS).values():
        try:
            found |= {f"{member.client_id} on {member.host.lstrip('/')}" for member in future.result().members}
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise Transient(f"Kafka did not describe the consumer groups: {error.args[0].str()}.") from error
    return found


def connect_answers(settings: Settings) -> bool:
    """Whether the Connect worker is available."""
    from headrace.streaming.connect.worker import worker_of

    with worker_of(settings) as worker:
        return worker.answers()


def wait_for_topics(client: AdminClient, topics: Mapping[str, Topic], timeout_seconds: float = 30.0) -> None:
    """Wait until every partition of the topics has a leader: a broker reports topics as created before it serves them.

    Raises:
        Transient: it took longer than the timeout.
    """
    deadline = time.monotonic() + timeout_seconds
    while missing := _not_served(client, topics, timeout_seconds):
        if time.monotonic() > deadline:
            raise Transient(
                f"Kafka has not served these topics within {timeout_seconds:.0f} s: {', '.join(missing)}."
                " Check that every broker runs (`headrace status`), then try again."
            )
        time.sleep(_POLL_SECONDS)


def _not_served(client: AdminClient, topics: Mapping[str, Topic], timeout_seconds: float) -> list[str]:
    try:
        known = client.list_topics(timeout=timeout_seconds).topics
    except KafkaException as error:
        raise Transient(f"Kafka did not list its topics: {error.args[0].str()}.") from error
    led = {
        name: sum(partition.leader != _NO_LEADER for partition in metadata.partitions.values())
        for name, metadata in known.items()
        if metadata.error is None
    }
    return [name for name, topic in topics.items() if led.get(name, 0) < topic.partitions]
