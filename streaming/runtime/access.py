"""Access control of the built-in Kafka: a user for each kind of program, its password, and its ACLs.

Not used for a user's own Kafka, which has its own ACLs; `HEADRACE_KAFKA_CONFIG` has the login for it.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from headrace.contracts.delivery import DELIVERIES
from headrace.contracts.errors import Transient
from headrace.contracts.settings import KafkaUser, Settings
from headrace.contracts.topics import EVENT_TOPICS, TOPICS

MECHANISM = "SCRAM-SHA-512"
USERS: tuple[KafkaUser, ...] = ("lander", "processor", "source", "connect", "dagster", "replay", "reader")
"""The users with ACLs. `admin`, the default user of an operator's commands, is a super user."""
ADMIN: KafkaUser = "admin"
CONNECT_GROUP = "headrace-connect"
CONNECT_TOPICS = "__headrace-connect"
"""Prefix of the topics where the worker stores configurations, offsets and states."""
_HEARTBEATS = "__debezium-heartbeat"
_OWN = "headrace."
"""Prefix of Headrace's internal topics: changelogs, positions, replay notes."""
_ITERATIONS = 4_096
"""Kafka's minimum. Passwords are random, so more iterations would only slow down logins."""
_TIMEOUT_SECONDS = 20.0

_READ, _WRITE, _DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE
_MANAGE = (AclOperation.CREATE, AclOperation.ALTER, AclOperation.ALTER_CONFIGS)
_TOPIC, _GROUP, _TRANSACTIONS = ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID


@dataclass(frozen=True)
class Rule:
    """A user may perform `operations` on the resources with this name or prefix."""

    user: KafkaUser
    resource: ResourceType
    name: str
    operations: tuple[AclOperation, ...]
    prefixed: bool = False

    def bindings(self) -> Iterator[AclBinding]:
        pattern = ResourcePatternType.PREFIXED if self.prefixed else ResourcePatternType.LITERAL
        for operation in self.operations:
            yield AclBinding(
                *(self.resource, self.name, pattern, f"User:{self.user}", "*", operation, AclPermissionType.ALLOW)
            )


def rules(settings: Settings) -> list[Rule]:
    """The least privileges that each user's programs need."""
    database = settings.database
    scored = {delivery.topic for delivery in DELIVERIES.values()}
    inputs = [topic.name for topic in EVENT_TOPICS if topic.name not in scored]
    dead_letters = [topic.dead_letter for topic in EVENT_TOPICS]
    return [
        *_topics("lander", TOPICS, _READ),
        Rule("lander", _GROUP, f"{database}-lander", (_READ,)),
        Rule("lander", _GROUP, f"{database}-look", (_READ,)),
        Rule("lander", _GROUP, f"{database}-reading", (_READ,)),  # to find where a log has lost its end
        Rule("processor", _GROUP, f"{database}-look", (_READ,)),
        *_processors(database),
        *_topics("source", inputs, _READ, _WRITE),
        *_topics("source", dead_letters, _WRITE),
        Rule("source", _TOPIC, f"{_OWN}source-positions", (_READ, _WRITE, *_MANAGE)),
        Rule("source", _GROUP, "headrace-look", (_READ,)),
        Rule("source", _TRANSACTIONS, f"{database}-source-", (_WRITE,), prefixed=True),
        *_connect(scored),
        *_reads("reader", database),
        *_reads("dagster", database),
        *_topics("dagster", ("customer_behavior",), _WRITE),
        Rule("dagster", _TRANSACTIONS, f"{database}-rescoring", (_WRITE,), prefixed=True),
        *_topics("replay", dead_letters, _READ),
        *_topics("replay", (topic.name for topic in EVENT_TOPICS), _WRITE),
        Rule("replay", _TOPIC, f"{_OWN}replays", (_READ, _WRITE, *_MANAGE)),
        Rule("replay", _GROUP, f"{database}-reading", (_READ,)),
        Rule("replay", _TRANSACTIONS, f"{database}-replay", (_WRITE,)),
    ]


def _topics(user: KafkaUser, names: Iterable[str], *operations: AclOperation) -> Iterator[Rule]:
    """Rules for those of the topics that an active package has."""
    for name in names:
        if name in TOPICS:
            yield Rule(user, _TOPIC, name, operations)


def _processors(database: str) -> Iterator[Rule]:
    from headrace.streaming.processors.registry import all_processors

    processors = [make() for make in all_processors().values()]
    taken = {name for processor in processors for name in processor.inputs}
    made = {processor.output for processor in processors} | {TOPICS[name].dead_letter for name in taken}
    yield from _topics("processor", sorted(taken), _READ)
    yield from _topics("processor", sorted(made), _WRITE)
    for name in all_processors():
        yield Rule("processor", _TOPIC, f"{_OWN}{name}.", (_READ, _WRITE, *_MANAGE), prefixed=True)
        yield Rule("processor", _GROUP, f"{database}-{name}", (_READ,), prefixed=True)
        yield Rule("processor", _TRANSACTIONS, f"{database}-{name}", (_WRITE,), prefixed=True)


def _connect(delivered: Iterable[str]) -> Iterator[Rule]:
    """The worker and its connectors. The watcher only reads, as `reader`."""
    names = sorted(delivered)
    yield from _topics("connect", names, _READ)
    yield from _topics("connect", (TOPICS[name].dead_letter for name in names), _WRITE, _DESCRIBE)
    yield from _topics("connect", ("customers", "orders"), _WRITE)
    yield Rule("connect", _TOPIC, CONNECT_TOPICS, (_READ, _WRITE, *_MANAGE), prefixed=True)
    yield Rule("connect", _TOPIC, _HEARTBEATS, (_WRITE, AclOperation.CREATE), prefixed=True)
    yield Rule("connect", _GROUP, CONNECT_GROUP, (_READ,))
    yield Rule("connect", _GROUP, "connect-headrace.", (_READ, AclOperation.DELETE), prefixed=True)
    # Transactional ids of sources begin with the group, the worker's with the kind of cluster.
    yield Rule("connect", _TRANSACTIONS, CONNECT_GROUP, (_WRITE,), prefixed=True)
    yield Rule("connect", _TRANSACTIONS, f"connect-cluster-{CONNECT_GROUP}", (_WRITE,), prefixed=True)


def _reads(user: KafkaUser, database: str) -> Iterator[Rule]:
    yield from _topics(user, TOPICS, _READ)
    yield Rule(user, _TOPIC, _OWN, (_READ,), prefixed=True)
    yield Rule(user, _GROUP, "*", (_DESCRIBE,))
    yield Rule(user, _GROUP, f"{database}-reading", (_READ,))
    yield Rule(user, _GROUP, "headrace-", (_READ,), prefixed=True)
    yield Rule(user, ResourceType.BROKER, "kafka-cluster", (_DESCRIBE,))
    yield Rule(user, _TRANSACTIONS, "*", (_DESCRIBE,))


def grant(client: AdminClient, settings: Settings, passwords: dict[str, str]) -> None:
    """Set the users' passwords and make the ACLs match `rules` exactly.

    Raises:
        Transient: the broker did not apply them.
    """
    wanted = {binding for rule in rules(settings) for binding in rule.bindings()}
    try:
        _set_passwords(client, passwords)
        any_name: Any = None
        any_of_all = AclBindingFilter(
            *(ResourceType.ANY, any_name, ResourcePatternType.ANY, any_name, any_name),
            *(AclOperation.ANY, AclPermissionType.ANY),
        )
        present = set(client.describe_acls(any_of_all, request_timeout=_TIMEOUT_SECONDS).result())
        if missing := wanted - present:
            _all_done(client.create_acls(list(missing), request_timeout=_TIMEOUT_SECONDS).values())
        if surplus := present - wanted:
            _all_done(client.delete_acls(list(map(_exactly, surplus)), request_timeout=_TIMEOUT_SECONDS).values())
    except KafkaException as error:
        raise Transient(f"Kafka did not set the ACLs of its users: {error.args[0].str()}.") from error


def _set_passwords(client: AdminClient, passwords: dict[str, str]) -> None:
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
    upsertions: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(user, info, password.encode()) for user, password in passwords.items()
    ]
    _all_done(client.alter_user_scram_credentials(upsertions, request_timeout=_TIMEOUT_SECONDS).values())


def _exactly(binding: AclBinding) -> AclBindingFilter:
    found: Any = binding  # its attributes have wider types than the filter's arguments
    return AclBindingFilter(
        *(found.restype, found.name, found.resource_pattern_type, found.principal, found.host),
        *(found.operation, found.permission_type),
    )


def _all_done(futures: Iterable[Future[Any]]) -> None:
    for future in futures:
        future.result()
