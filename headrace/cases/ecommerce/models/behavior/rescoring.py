"""Publishes the scores of a batch of customers to `customer_behavior` atomically.

Inactive customers have no events for the stream to score, and would keep the score of their last order. This module
publishes new scores. Event ids are derived from the customer, the cutoff of the features, and the model, so publishing
again produces the same events, which are deduplicated by id.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from confluent_kafka import KafkaError, Message

from headrace.cases.ecommerce.models.behavior.rule import Score
from headrace.cases.ecommerce.models.behavior.scorer import Scorer
from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.contracts.decoding import InvalidRecord, decode_record
from headrace.contracts.features import CustomerFeatures, amount_of, spend_of
from headrace.contracts.settings import Settings
from headrace.contracts.types import derived_id
from headrace.streaming.runtime.careful.headers import record_headers
from headrace.streaming.runtime.failpoints import failpoint
from headrace.streaming.runtime.publishing import encode_event
from headrace.streaming.runtime.reading import written_records
from headrace.streaming.runtime.transactions import Transactions

TOPIC = "customer_behavior"
SOURCE = "rescoring"
TRANSACTION_MS = 60_000
"""What the stream wrote before is read during the transaction."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SAME = tuple(name for name in CustomerBehavior.__struct_fields__ if name in CustomerFeatures.__dataclass_fields__)


class Customer(NamedTuple):
    """A customer to score."""

    customer_id: str
    features: CustomerFeatures


def publish(settings: Settings, customers: Sequence[Customer], scorer: Scorer, now: datetime) -> int:
    """Score the customers and publish, in one transaction; returns the number of scores.

    Customers for whom the stream has newer data are skipped. To detect them, records written before ours are checked
    once ours have their offsets; records that the stream writes after them take precedence by offset. A concurrent
    publication for the same stack is fenced, and its transaction aborted.

    Raises:
        Transient: Kafka did not accept it; nothing of it is visible then.
    """
    if not customers:
        return 0
    scores = scorer.score([each.features for each in customers])
    made = [event_of(each, score, scorer.version, now) for each, score in zip(customers, scores, strict=True)]
    events = {event.customer_id.encode(): event for event in made}
    transactions = Transactions(settings, f"{settings.database}-{SOURCE}", timeout_ms=TRANSACTION_MS)
    transactions.start()
    while events:
        try:
            with transactions.transaction():
                firsts = _write(transactions, events)
                failpoint("rescoring.flushed")
                if newer := _known_otherwise(settings, events, firsts):
                    raise _Newer(newer)
            break
        except _Newer as found:
            events = {key: event for key, event in events.items() if key not in found.customers}
    return len(events)


class _Newer(Exception):  # noqa: N818  an outcome, not a failure
    """The stream has newer data of these customers."""

    def __init__(self, customers: set[bytes]) -> None:
        super().__init__()
        self.customers = customers


def _write(transactions: Transactions, events: Mapping[bytes, CustomerBehavior]) -> dict[int, int]:
    """Write the events into the open transaction; returns the offset of the first one in each partition."""
    firsts: dict[int, int] = {}

    def delivered(error: KafkaError | None, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        if error is None and partition is not None and offset is not None:
            firsts[partition] = min(offset, firsts.get(partition, offset))

    for key, event in events.items():
        transactions.send(TOPIC, encode_event(event), key, on_delivery=delivered)
    transactions.flush()
    return firsts


def _known_otherwise(
    settings: Settings, events: Mapping[bytes, CustomerBehavior], ends: Mapping[int, int]
) -> set[bytes]:
    """Customers whose latest score by the stream before ours is based on other orders than ours."""
    last: dict[bytes, CustomerBehavior] = {}
    for partition, end in ends.items():
        for message in written_records(settings, TOPIC, partition, end):
            key, value = message.key(), message.value()
            if not isinstance(key, bytes) or key not in events or value is None:
                continue
            try:
                event = decode_record(CustomerBehavior, value, record_headers(message))
            except InvalidRecord:
                continue
            if event.source != SOURCE:
                last[key] = event
    return {key for key, event in last.items() if _orders_of(event) != _orders_of(events[key])}


def _orders_of(event: CustomerBehavior) -> tuple[int, str | None, Decimal]:
    return event.orders, event.currency, Decimal(event.monetary_value)


def event_of(customer: Customer, score: Score, version: str, now: datetime) -> CustomerBehavior:
    """The event of one score."""
    features = customer.features
    cutoff = _EPOCH + timedelta(microseconds=features.cutoff_us)
    return CustomerBehavior(
        event_id=derived_id(SOURCE, f"{customer.customer_id}-{features.cutoff_us}-{version}"),
        event_time=cutoff,
        source=SOURCE,
        customer_id=customer.customer_id,
        feature_cutoff=cutoff,
        monetary_value=amount_of(features.monetary_units),
        repurchase_probability=score.probability,
        expected_spend=spend_of(score.expected_spend),
        segment=score.segment,
        model_version=version,
        scored_at=now,
        **{name: getattr(features, name) for name in _SAME},
    )
