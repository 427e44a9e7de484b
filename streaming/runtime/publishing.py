"""Publishes events and dead letters with an idempotent producer: every record is acknowledged, or an error is raised.

Counting, rate limiting and reading input belong to the sources.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Message

from headrace.contracts import dead_letters
from headrace.contracts.decoding import InvalidRecord, are_valid, decode, encode
from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.settings import Settings
from headrace.contracts.topic import MAX_DEAD_LETTER_BYTES, MAX_RECORD_BYTES
from headrace.contracts.topics import TOPICS
from headrace.contracts.types import Event
from headrace.streaming.runtime.clients import producer
from headrace.streaming.runtime.health import require_broker
from headrace.streaming.runtime.versions import Headers, version_headers

MAX_KEY_BYTES = 16_384
"""Together with the largest value, this stays below the topics' `max.message.bytes`."""
MAX_REASON_LENGTH = 300
_LOG_ERRORS = 3
CONNECT_TIMEOUT_SECONDS = 10.0
SETTLING_SECONDS = 5.0
DELIVERY_TIMEOUT_SECONDS = 120.0
LINGER_MS = 100
POLL_EVERY = 1_000
"""Records between two polls for delivery reports; only failures are reported."""


@dataclass(frozen=True)
class DeadLetter:
    """Input that is not a valid event of `topic`. `size` is its length if `value` is truncated."""

    topic: str
    value: bytes
    reason: str
    stage: str
    position: str
    key: bytes | None = None
    size: int | None = None


def encode_event(event: Event) -> bytes:
    """The value of an event's record, valid for every reader.

    Raises:
        InvalidRecord: the strict decoder would reject the encoded event.
    """
    try:
        value = encode(event)
    except UnicodeEncodeError:
        raise InvalidRecord("not UTF-8", "holds a lone surrogate, which UTF-8 cannot express") from None
    except OverflowError:
        raise InvalidRecord("invalid field", "holds an integer out of range") from None
    decode(type(event), value)
    return value


def encode_events(contract: type[Event], events: Sequence[Event]) -> list[bytes]:
    """`encode_event` for many events of one contract, at a much lower cost per event.

    Raises:
        InvalidRecord: readers would reject one of them.
    """
    try:
        values = list(map(encode, events))
    except (UnicodeEncodeError, OverflowError):
        values = None
    if values is None or not are_valid(contract, values):
        return list(map(encode_event, events))  # raises with the reason
    return values


def check_size(key: bytes, value: bytes) -> None:
    """Raise `InvalidRecord` for a record that the broker would reject for its size."""
    if len(value) > MAX_RECORD_BYTES:
        raise InvalidRecord("too long", f"longer than {MAX_RECORD_BYTES} bytes")
    if len(key) > MAX_KEY_BYTES:
        raise InvalidRecord("too long", f"key longer than {MAX_KEY_BYTES} bytes")


def dead_letter_record(letter: DeadLetter) -> tuple[str, bytes, bytes | None, Headers]:
    """Topic, value, key and headers of a dead letter; the value is truncated to the topic's limit."""
    size = letter.size or len(letter.value)
    value = letter.value[:MAX_DEAD_LETTER_BYTES]
    headers = {
        dead_letters.REASON: _one_line(letter.reason),
        dead_letters.STAGE: letter.stage,
        dead_letters.TOPIC: letter.topic,
        dead_letters.POSITION: _one_line(letter.position),
    }
    if size > len(value):
        headers[dead_letters.TRUNCATED_FROM_BYTES] = str(size)
    key = letter.key if letter.key is not None and len(letter.key) <= MAX_KEY_BYTES else None
    encoded: Headers = [(name, text.encode(errors="backslashreplace")) for name, text in headers.items()]
    # A source writes the current version, so what it rejects is replayed as such.
    encoded += version_headers(letter.topic) or []
    return TOPICS[letter.topic].dead_letter, value, key, encoded


class Sink(Protocol):
    """Receives the records of a source's outcomes."""

    def publish(self, topic: str, key: bytes, value: bytes) -> None:
        """Publish one record. The caller has validated the value and called `check_size`."""
        ...

    def dead_letter(self, letter: DeadLetter) -> None:
        """Publish a dead letter."""
        ...


class Publisher:
    """Sends records and detects failed deliveries. Records count as delivered only after `flush` has returned.

    Raises:
        Transient: from any method, if the broker did not accept a record in time.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._servers = settings.bootstrap_servers
        self._failures: list[KafkaError] = []
        self._since_poll = 0
        self._producer = producer(
            settings,
            **{
                # Not a method of this object: a reference cycle would keep the producer and its threads alive.
                "on_delivery": _collect_into(self._failures),
                "delivery.report.only.error": True,
                # No caller waits for single records, so requests can be batched longer.
                "linger.ms": LINGER_MS,
                "message.timeout.ms": int(DELIVERY_TIMEOUT_SECONDS * 1000),
                "log_level": _LOG_ERRORS,  # retries after a broker's start are not worth logging
            },
        )

        self._produce = self._producer.produce

    def check(self, topics: Iterable[str]) -> None:
        """Check that the broker answers and has `topics` and their dead-letter topics.

        Raises:
            Transient: no answer.
            Terminal: a topic is missing.
        """
        require_broker(self._settings)
        wanted = {name for topic in topics for name in (topic, TOPICS[topic].dead_letter)}
        deadline = time.monotonic() + SETTLING_SECONDS
        # A topic that was just created is not in every response yet.
        while (missing := wanted - self._known_topics()) and time.monotonic() < deadline:
            time.sleep(0.1)
        if missing:
            raise Terminal(
                f"Kafka at {self._servers} has no topic {', '.join(sorted(missing))}.",
                remedy="Start the stack with `headrace up`, which creates the topics.",
            )

    def _known_topics(self) -> set[str]:
        try:
            topics = self._producer.list_topics(timeout=CONNECT_TIMEOUT_SECONDS).topics
        except KafkaException as error:
            raise Transient(f"Kafka at {self._servers} did not list its topics: {error.args[0].str()}.") from error
        return {name for name, topic in topics.items() if all(part.leader >= 0 for part in topic.partitions.values())}

    def publish(self, topic: str, key: bytes, value: bytes) -> None:
        """Send one record. The caller has validated the value and called `check_size`."""
        if headers := version_headers(topic):
            self._send(topic, value, key, headers=headers)
        else:
            self._send(topic, value, key)

    def dead_letter(self, letter: DeadLetter) -> None:
        """Send input to the dead-letter topic of the topic it was meant for."""
        topic, value, key, headers = dead_letter_record(letter)
        self._send(topic, value, key, headers=headers)

    def flush(self) -> None:
        """Wait until the broker has acknowledged everything sent."""
        remaining = self._producer.flush(DELIVERY_TIMEOUT_SECONDS + CONNECT_TIMEOUT_SECONDS)
        self._raise_failure()
        if remaining:
            raise Transient(f"Kafka at {self._servers} did not acknowledge {remaining} records in time.")

    def _send(self, topic: str, value: bytes, key: bytes | None, **more: Any) -> None:
        while True:
            try:
                self._produce(topic, value, key, **more)
                break
            except BufferError:
                # The queue is full: wait for the broker, so that memory stays bounded.
                self._producer.poll(0.1)
                self._raise_failure()
        self._since_poll += 1
        if self._since_poll >= POLL_EVERY:
            self._since_poll = 0
            self._producer.poll(0)
            self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failures:
            raise Transient(f"Kafka at {self._servers} did not accept a record: {self._failures[0].str()}.")


def _collect_into(failures: list[KafkaError]) -> Callable[[KafkaError | None, Message], None]:
    def on_delivery(error: KafkaError | None, _message: Message) -> None:
        if error is not None and not failures:
            failures.append(error)

    return on_delivery


def _one_line(text: str) -> str:
    return " ".join(text.split())[:MAX_REASON_LENGTH]
