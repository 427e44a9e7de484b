"""What stands in the dead-letter topics, whoever wrote it: sources, processors or Kafka Connect."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from contracts import dead_letters as headers
from contracts.errors import Terminal
from contracts.settings import Settings
from contracts.topics import DEAD_LETTER_SUFFIX, DEAD_LETTER_TOPICS, TOPICS
from streaming.runtime import clients
from streaming.runtime.reading import committed_records
from streaming.runtime.topics import offset_bounds, topic_ids

PARTITION = 0
"""A dead-letter topic has one partition, so a letter is known by topic and offset."""


@dataclass(frozen=True)
class Letter:
    """One dead letter. `topic` is the topic that it is of, not the one that it stands in.

    `reason` never holds the payload; `detail` may, where Kafka Connect quotes it. `origin` is where the record stood.
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
        """The letter's own place, as the header of a replayed record tells it."""
        return f"{self.dead_letter_topic}/{PARTITION}/{self.offset}"

    @property
    def is_cut_short(self) -> bool:
        """Whether `value` is only the beginning of what was refused."""
        return any(name == headers.TRUNCATED_FROM_BYTES for name, _ in self.headers)


@dataclass(frozen=True)
class Criteria:
    """Which letters are meant: parts of reason and stage, a span of time, offsets. What is not set does not count."""

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
"""The end of the year 9999. A record from before topics had the broker's times may bear any."""


def topic_of(name: str) -> str:
    """The topic that a person means, who may name its dead-letter topic instead.

    Raises:
        Terminal: there is no such topic of events.
    """
    topic = name.removesuffix(DEAD_LETTER_SUFFIX)
    if topic not in TOPICS:
        known = ", ".join(each.name.removesuffix(DEAD_LETTER_SUFFIX) for each in DEAD_LETTER_TOPICS)
        raise Terminal(f"There is no topic {topic}.", remedy=f"There are: {known}.")
    return topic


def bounds(admin: AdminClient, topic: str) -> tuple[UUID, int, int]:
    """Id of a topic's dead-letter topic, the first offset retained, and the end.

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
    """Read a record of a dead-letter topic. Headers that are missing or odd make odd text, never an error."""
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
