"""What a topic is, and how a package declares one beside its contract. `headrace.contracts.topics` has them all."""

import re
from dataclasses import dataclass

from headrace.contracts.types import Event

DAY_MS = 86_400_000
MAX_RECORD_BYTES = 1_000_000
"""Largest value of a record. Dead-letter topics accept more, since a record may have been rejected for its size."""
MAX_DEAD_LETTER_BYTES = 8_000_000
DEAD_LETTER_SUFFIX = ".dlq"
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""What topics are named. The names of tables, folders and connectors are made of them."""
_DEAD_LETTER_DAYS = 30

ARRIVAL_TIMES = {"message.timestamp.type": "LogAppendTime"}
"""Records have the time when the broker appended them. A client's clock affects neither retention, nor which records
count as from the future, nor which of two records came first."""

TopicAndPartition = tuple[str, int]
"""A partition: the name of its topic and its number."""


@dataclass(frozen=True)
class Topic:
    """A topic of events. `contract` is None for a dead-letter topic, whose values are raw bytes.

    `domain` is the name of the package that declares the topic; `headrace.contracts.topics` sets it.
    """

    name: str
    domain: str
    key: str
    contract: type[Event] | None
    partitions: int
    retention_ms: int
    compacted: bool = False

    @property
    def is_dead_letter(self) -> bool:
        return self.contract is None

    @property
    def dead_letter(self) -> str:
        """Name of the topic for records that this one rejects."""
        return self.name + DEAD_LETTER_SUFFIX

    @property
    def config(self) -> dict[str, str]:
        """The broker's topic-level settings."""
        largest = MAX_DEAD_LETTER_BYTES if self.is_dead_letter else MAX_RECORD_BYTES
        config = {
            "max.message.bytes": str(largest + 48_576),
            "retention.ms": str(self.retention_ms),
            **ARRIVAL_TIMES,
        }
        if self.compacted:
            config |= {"cleanup.policy": "compact", "retention.ms": "-1"}
        return config


def event_topic(
    name: str, contract: type[Event], *, key: str, partitions: int, days: int, compacted: bool = False
) -> Topic:
    """Declare a topic in a module of a package's folder `topics`.

    Args:
        name: the topic's name in Kafka.
        contract: the events.
        key: what the record's key is, in words.
        partitions: the number of partitions.
        days: how long records are kept.
        compacted: whether the latest record of each key is kept instead.
    """
    return Topic(name, "", key, contract, partitions, days * DAY_MS, compacted)


def dead_letter_topic(topic: Topic) -> Topic:
    """The topic for records that `topic` rejects."""
    return Topic(topic.dead_letter, topic.domain, "as the input", None, 1, _DEAD_LETTER_DAYS * DAY_MS)
