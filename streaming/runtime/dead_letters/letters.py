"""Reads dead-letter topics, written by sources, processors and Kafka Connect."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from headrace.contracts import dead_letters as headers
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.contracts.topic import DEAD_LETTER_SUFFIX
from headrace.contracts.topics import DEAD_LETTER_TOPICS, TOPICS
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.reading import committed_records
from headrace.streaming.runtime.topics import offset_bounds, topic_ids

PARTITION = 0
"""A dead-letter topic has one partition, so topic and offset identify a letter."""


@dataclass(frozen=True)
class Letter:
    """One dead letter. `topic` is the record's original topic, not the dead-letter topic.

    `reason` never contains the payload; `detail` may, if Kafka Connect quotes it. `origin` is the record's position.
    """

    topic: str
    offset: int
    at: datetime
    stage: str
    reason: str
    detail: str | None
    origin: str
    size: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def dead_letter_topic(self) -> str:
        return self.topic + DEAD_LETTER_SUFFIX

    @property
    def place(self) -> str:
        """The letter's position, as in the header of a replayed record."""
        return f"{self.dead_letter_topic}/{PARTITION}/{self.offset}"

    @property
    def is_cut_short(self) -> bool:
        """Whether `value` is only the beginning of the rejected record."""
        return any(name == headers.TRUNCATED_FROM_BYTES for name, _ in self.headers)


@dataclass(frozen=True)
class Criteria:
    """Selects letters by parts of reason and stage, a time range, and offsets. Unset criteria are ignored."""

    reason: str | None = None
    stage: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    offsets: frozenset[int] | None = None

    def accept(self, letter: Letter) -> bool:
        return (
            (self.reason is None or self.reason in letter.reason)
            and (self.stage is None or self.stage in letter.stage)
            and (self.since is None or letter.at >= self.since)
            and (self.until is None or letter.at < self.until)
            and (self.offsets is None or letter.offset in self.offsets)
        )


_LAST_MS = 253_402_300_799_999
"""The end of the year 9999. Records from before topics used broker timestamps may have any time."""


def topic_of(name: str) -> str:
    """The topic with this name, which may also be that of its dead-letter topic.

    Raises:
        Terminal: there is no such topic of events.
    """
    topic = name.removesuffix(DEAD_LETTER_SUFFIX)
    if topic not in TOPICS:
        known = ", ".join(each.name.removesuffix(DEAD_LETTER_SUFFIX) for each in DEAD_LETTER_TOPICS)
        raise Terminal(f"There is no topic {topic}.", remedy=f"There are: {known}.")
    return topic


def bounds(admin: AdminClient, topic: str) -> tuple[UUID, int, int]:
    """The id of a topic's dead-letter topic, its first retained offset, and its end.

    Raises:
        Terminal: it does not exist.
    """
    name = topic + DEAD_LETTER_SUFFIX
    ids = topic_ids(admin, [name])
    if name not in ids:
        raise Terminal(f"Kafka has no topic {name}.", remedy="Start the stack with `headrace up`, which creates it.")
    (start, end) = offset_bounds(admin, [(name, PARTITION)])[name, PARTITION]
    return ids[name], start, end


def read(settings: Settings, topic: str, start: int, end: int) -> Iterator[Letter]:
    """The dead letters of a topic with `start <= offset < end`."""
    for message in committed_records(settings, topic + DEAD_LETTER_SUFFIX, PARTITION, end, start):
        yield letter_of(topic, message)


def read_one(settings: Settings, topic: str, offset: int) -> Letter:
    """One dead letter.

    Raises:
        Terminal: there is none at that offset.
    """
    (_, start, end) = bounds(clients.admin(settings), topic)
    if start <= offset < end:
        for letter in read(settings, topic, offset, offset + 1):
            return letter
    raise Terminal(
        f"There is no dead letter of {topic} at offset {offset}.", remedy=f"`headrace dlq list {topic}` shows them."
    )


def letter_of(topic: str, message: Message) -> Letter:
    """Read a record of a dead-letter topic. Missing or invalid headers result in placeholder text, never in an
    error."""
    found = _headers(message)
    named = {name: _text(value) for name, value in found}
    (_, milliseconds) = message.timestamp()
    value = message.value()
    if headers.CONNECT_TOPIC in named:
        stage = f"connect:{named.get(headers.CONNECT_CONNECTOR, '?')}"
        exception = named.get(headers.CONNECT_EXCEPTION, "?").rsplit(".", 1)[-1]
        reason = f"{exception} in {named.get(headers.CONNECT_STAGE, '?')}"
        detail = named.get(headers.CONNECT_MESSAGE)
        place = (headers.CONNECT_TOPIC, headers.CONNECT_PARTITION, headers.CONNECT_OFFSET)
    else:
        stage, reason, detail = named.get(headers.STAGE, "?"), named.get(headers.REASON, "?"), None
        place = (headers.TOPIC, headers.PARTITION, headers.OFFSET)
    return Letter(
        topic=topic,
        offset=message.offset() or 0,
        at=datetime.fromtimestamp(min(max(milliseconds, 0), _LAST_MS) / 1_000, UTC),
        stage=stage,
        reason=reason,
        detail=detail,
        origin=named.get(headers.POSITION) or "/".join(named.get(name, "?") for name in place),
        size=len(value or b""),
        key=message.key(),
        value=value,
        headers=tuple(found),
    )


def _headers(message: Message) -> list[tuple[str, bytes | None]]:
    found = message.headers() or []
    pairs = found.items() if isinstance(found, dict) else found
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in pairs]


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="backslashreplace")
