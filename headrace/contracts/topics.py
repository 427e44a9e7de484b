"""All topics: contract, key, partitions and retention of each."""

from dataclasses import dataclass
from typing import Literal

from headrace.contracts.data_science import CustomerFeedback, CustomerSentiment, SocialPost, WeatherObservation
from headrace.contracts.ecommerce import Customer, CustomerBehavior, Order, WebLog
from headrace.contracts.types import Event

DAY_MS = 86_400_000
MAX_RECORD_BYTES = 1_000_000
"""Largest value of a record. Dead-letter topics accept more, since a record may have been rejected for its size."""
MAX_DEAD_LETTER_BYTES = 8_000_000
DEAD_LETTER_SUFFIX = ".dlq"

ARRIVAL_TIMES = {"message.timestamp.type": "LogAppendTime"}
"""Records have the time when the broker appended them. A client's clock affects neither retention, nor which records
count as from the future, nor which of two records came first."""

Domain = Literal["ecommerce", "data_science"]

TopicAndPartition = tuple[str, int]
"""A partition: the name of its topic and its number."""


@dataclass(frozen=True)
class Topic:
    """A topic of events. `contract` is None for a dead-letter topic, whose values are raw bytes."""

    name: str
    domain: Domain
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


def _event(
    name: str, domain: Domain, key: str, contract: type[Event], *, partitions: int, days: int, compacted: bool = False
) -> Topic:
    return Topic(name, domain, key, contract, partitions, days * DAY_MS, compacted)


EVENT_TOPICS: tuple[Topic, ...] = (
    _event("web_logs", "ecommerce", "session_id, or visitor_id without one", WebLog, partitions=4, days=7),
    _event("orders", "ecommerce", "customer_id, or order_id for guests", Order, partitions=4, days=30),
    _event("customers", "ecommerce", "customer_id", Customer, partitions=4, days=30, compacted=True),
    _event("customer_behavior", "ecommerce", "customer_id", CustomerBehavior, partitions=4, days=30, compacted=True),
    _event("social_media", "data_science", "author", SocialPost, partitions=4, days=7),
    _event("weather_data", "data_science", "station", WeatherObservation, partitions=2, days=30),
    _event("customer_feedback", "data_science", "customer_id, or feedback_id", CustomerFeedback, partitions=2, days=30),
    _event("customer_sentiment", "data_science", "subject_id", CustomerSentiment, partitions=4, days=30),
)
DEAD_LETTER_TOPICS: tuple[Topic, ...] = tuple(
    Topic(topic.dead_letter, topic.domain, "as the input", None, 1, 30 * DAY_MS) for topic in EVENT_TOPICS
)
TOPICS: dict[str, Topic] = {topic.name: topic for topic in EVENT_TOPICS + DEAD_LETTER_TOPICS}
