"""Kafka clients with the settings that all of Headrace uses, with the reason for each.

All clients take address and login from `connection`; Java programs from `java_connection`, and kafka-python from
`python_connection`.
"""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.contracts.topic import MAX_DEAD_LETTER_BYTES, TopicAndPartition

_RECONNECT = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 2_000}

ONE_OFF_FETCH_BYTES = 4_096
"""zstd expands one byte to at most 32,768 (a block of four to 128 kB), and so a fetch to 134 MB.

Three fetches are in memory at a time: in use, queued, and in transit."""

_JAVA_LOGINS = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}
_PYTHON_NAMES = {
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
    "ssl.ca.location": "ssl_cafile",
}
_SAME_IN_JAVA = ("security.protocol", "ssl.endpoint.identification.algorithm")


def connection(settings: Settings) -> dict[str, Any]:
    """Address and login, with librdkafka's names.

    Raises:
        Terminal: the file with client settings cannot be read, or has an invalid line.
    """
    return {"bootstrap.servers": settings.bootstrap_servers, **_from_file(settings)}


def java_connection(settings: Settings) -> dict[str, str]:
    """Address and login, with the names of Kafka's Java clients.

    Raises:
        Terminal: as for `connection`, or a setting has no equivalent.
    """
    given = _from_file(settings)
    user, password = given.pop("sasl.username", ""), given.pop("sasl.password", "")
    mechanism = given.pop("sasl.mechanism", given.pop("sasl.mechanisms", ""))
    authorities = given.pop("ssl.ca.location", "")
    unknown = [name for name in given if name not in _SAME_IN_JAVA]
    if unknown or (mechanism and mechanism not in _JAVA_LOGINS):
        raise Terminal(
            f"Kafka Connect cannot use these settings of {settings.kafka_file}: {', '.join(unknown) or mechanism}.",
            remedy="Run your own Connect worker (HEADRACE_CONNECT_URL), or set HEADRACE_CONNECT=false.",
        )
    found = {"bootstrap.servers": settings.bootstrap_servers} | given
    found |= {"security.protocol": given["security.protocol"].upper()} if "security.protocol" in given else {}
    if mechanism:
        login = f"{_JAVA_LOGINS[mechanism]} required username={_quoted(user)} password={_quoted(password)};"
        found |= {"sasl.mechanism": mechanism, "sasl.jaas.config": login}
    if authorities:
        found |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": authorities}
    return found


def python_connection(settings: Settings) -> dict[str, str]:
    """Address and login, with kafka-python's names. Raises the same errors as `connection`."""
    given = {_PYTHON_NAMES.get(name, name.replace(".", "_")): value for name, value in connection(settings).items()}
    protocol = given.get("security_protocol")
    return given if protocol is None else given | {"security_protocol": protocol.upper()}


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _from_file(settings: Settings) -> dict[str, str]:
    path = settings.kafka_file
    if path is None:
        return {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        if settings.kafka_config is None:
            return {}  # nothing has been started in this home yet, so nothing will answer
        raise Terminal(f"There is no file {path}.", remedy="Correct HEADRACE_KAFKA_CONFIG.") from None
    except (OSError, UnicodeDecodeError) as error:
        remedy = "Run the command as the account that runs the stack." if settings.kafka_config is None else ""
        raise Terminal(f"The file {path} cannot be read.", remedy=remedy or "Correct HEADRACE_KAFKA_CONFIG.") from error
    pairs = [line.partition("=") for line in map(str.strip, lines) if line and not line.startswith("#")]
    if any(not name.strip() or not separator for name, separator, _ in pairs):
        raise Terminal(f"The file {path} has a line that is not `name=value`.", remedy="Correct the file.")
    return {name.strip(): value.strip() for name, _, value in pairs}


def producer(settings: Settings, **overrides: Any) -> Producer:
    """An idempotent producer with the default partitioner of Java clients."""
    return Producer(
        {
            **connection(settings),
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
    """A `read_committed` consumer that never resets its position or commits automatically."""
    return Consumer(
        {
            **connection(settings),
            "group.id": group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "partition.assignment.strategy": "cooperative-sticky",
            # librdkafka's default of 1 s stalls an empty queue and halved the landing rate.
            "fetch.queue.backoff.ms": 5,
            "queued.max.messages.kbytes": 16_384,
            "fetch.message.max.bytes": 2_000_000,
            **_RECONNECT,
            **overrides,
        }
    )


def one_off_consumer(settings: Settings, group: str, **overrides: Any) -> Consumer:
    """Like `consumer`, for a short-lived process without a memory guard.

    The client decompresses all batches of a fetch before returning a record. So fetches are limited to a few kilobytes,
    or one larger batch.
    """
    bounds = {
        "fetch.message.max.bytes": ONE_OFF_FETCH_BYTES,
        "fetch.max.bytes": ONE_OFF_FETCH_BYTES,
        "message.max.bytes": ONE_OFF_FETCH_BYTES,  # the minimum for `fetch.max.bytes`
        "enable.partition.eof": True,
    }
    return consumer(settings, group, **{**bounds, **overrides})


def assign_idle(consumer: Consumer, ends: Mapping[TopicAndPartition, int]) -> None:
    """Assign partitions, paused, at the end of their log: nothing is fetched until `seek` and `resume`.

    The end is an offset, not `OFFSET_END`: librdkafka queries that in the background, again half a second later if the
    pause overtakes the response, and then moves to the end although a seek came first. Records would be lost.
    """
    places = [TopicPartition(*key, end) for key, end in ends.items()]
    consumer.incremental_assign(places)
    consumer.pause(places)


def queued(consumer: Consumer, most: int, seconds: float) -> list[Message]:
    """Up to `most` records that the client has queued; waits up to `seconds` for the first one only.

    `consume` alone waits for more. Meanwhile it collects every record that is decompressed, of any size.
    """
    first = consumer.consume(1, seconds)
    return [*first, *consumer.consume(most, 0.0)] if first else first


def admin(settings: Settings, **overrides: Any) -> AdminClient:
    """An admin client."""
    return AdminClient({**connection(settings), **_RECONNECT, **overrides})


def raw_settings(settings: Settings) -> dict[str, Any]:
    """Settings for kafka-python, which fetches raw batches and describes transactions. Raises as `connection` does."""
    return {
        **python_connection(settings),
        "client_id": "headrace-raw",
        "receive_message_max_bytes": 64 << 20,
        "request_timeout_ms": 20_000,
    }


END_OF_PARTITION = KafkaError._PARTITION_EOF  # noqa: SLF001  its public name is the same
"""The client reached the end of committed data; the message's offset is that end."""

OUT_OF_RANGE = (
    KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001
    KafkaError._LOG_TRUNCATION,  # noqa: SLF001
    KafkaError.OFFSET_OUT_OF_RANGE,
)
"""A consumer's position is not in the log, or the log has changed."""


def place_of(message: Message) -> TopicAndPartition:
    """Where a consumed record or error is from."""
    return str(message.topic()), int(message.partition() or 0)


def ends_consumer(error: KafkaError) -> bool:
    """Whether an error makes a consumer unusable.

    The error that `consume` returns does not report this itself: its code is `_FATAL`, but `fatal()` is False.
    """
    return error.fatal() or error.code() in (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID)  # noqa: SLF001


class FatalErrors:
    """Collects errors that permanently end a consumer, such as fencing; pass `noticed` as its `error_cb`.

    `consume` does not report all of them: a fenced static member silently received no more records.
    """

    def __init__(self) -> None:
        self._found: list[KafkaError] = []

    def noticed(self, error: KafkaError) -> None:
        """Record an error of any kind."""
        if ends_consumer(error):
            self._found.append(error)

    def check(self) -> None:
        """Raise `Terminal` if the consumer has ended."""
        if self._found:
            raise Terminal(f"Kafka ended this consumer: {self._found[0].str()}.", remedy="The supervisor restarts it.")
