"""Scores of a whole batch of customers to `customer_behavior`, all of them or none.

A customer who went silent sends nothing that the stream could score, and would keep the score of the day of their last
order. This publishes new ones. Event ids come from the customer, the moment that the features are of, and the model:
what is published again is the same event, and is dropped wherever events are told apart by their ids.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from confluent_kafka import KafkaException, Producer

from contracts.ecommerce import CustomerBehavior
from contracts.errors import Transient
from contracts.features import MONEY_UNITS, CustomerFeatures
from contracts.settings import Settings
from models.behavior.scorer import Score, Scorer
from streaming.runtime.clients import producer
from streaming.runtime.failpoints import failpoint
from streaming.runtime.publishing import encode_event

TOPIC = "customer_behavior"
SOURCE = "rescoring"
CALL_SECONDS, TRANSACTION_MS = 60.0, 60_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SAME = tuple(name for name in CustomerBehavior.__struct_fields__ if name in CustomerFeatures.__dataclass_fields__)


class Customer(NamedTuple):
    """A customer to score."""

    customer_id: str
    features: CustomerFeatures


def publish(settings: Settings, customers: Sequence[Customer], scorer: Scorer, now: datetime) -> int:
    """Score the customers and publish, in one transaction; returns how many.

    Another one that is under way for the same stack is fenced off, and its transaction aborted.

    Raises:
        Transient: Kafka did not take it; nothing of it can be read then.
    """
    if not customers:
        return 0
    scores = scorer.score([each.features for each in customers])
    events = [event_of(each, score, scorer.version, now) for each, score in zip(customers, scores, strict=True)]
    client = producer(
        settings, **{"transactional.id": f"{settings.database}-{SOURCE}", "transaction.timeout.ms": TRANSACTION_MS}
    )
    try:
        client.init_transactions(CALL_SECONDS)
        client.begin_transaction()
        for event in events:
            _send(client, event)
        if client.flush(CALL_SECONDS):
            raise Transient("Kafka did not take the scores in time.")
        failpoint("rescoring.flushed")
        client.commit_transaction(CALL_SECONDS)
    except KafkaException as error:
        raise Transient(f"Kafka did not take the scores: {error.args[0].str()}.") from error
    return len(events)


def event_of(customer: Customer, score: Score, version: str, now: datetime) -> CustomerBehavior:
    """The event of one score."""
    features = customer.features
    cutoff = _EPOCH + timedelta(microseconds=features.cutoff_us)
    return CustomerBehavior(
        event_id=f"{SOURCE}-{customer.customer_id}-{features.cutoff_us}-{version}",
        event_time=cutoff,
        source=SOURCE,
        customer_id=customer.customer_id,
        feature_cutoff=cutoff,
        monetary=f"{Decimal(features.monetary_units) / MONEY_UNITS:.4f}",
        repurchase_probability=score.probability,
        segment=score.segment,
        model_version=version,
        scored_at=now,
        **{name: getattr(features, name) for name in _SAME},
    )


def _send(client: Producer, event: CustomerBehavior) -> None:
    while True:
        try:
            return client.produce(TOPIC, encode_event(event), event.customer_id.encode())
        except BufferError:
            client.poll(0.1)
