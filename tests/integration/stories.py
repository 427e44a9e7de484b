"""Inputs of the processors: small, the same in every run, and rich in difficult cases."""

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from headrace.cases.data_science.processors.sentiment_scorer import SentimentScorer
from headrace.cases.ecommerce.processors.behavior_scorer import BehaviorScorer
from headrace.cases.ecommerce.processors.order_extractor import OrderExtractor
from headrace.contracts.decoding import encode
from headrace.contracts.settings import Settings
from headrace.streaming.runtime import clients
from tests.corpus import CASES
from tests.integration.samples import at, feedback, hit, order, post

BAD = [case.value for case in CASES if case.refused_as and len(case.value) < 5_000]
TEXTS = (
    "What a wonderful day, I love this shop and its lovely parcels!",
    "Terrible. It broke after a day and nobody answers, I hate it.",
    "Das Paket kam leider viel zu spät an und war beschädigt.",
    "😍😍",
    "ok",
)


class InputRecord(NamedTuple):
    """A record to send."""

    topic: str
    key: bytes | None
    value: bytes | None


def story(processor: str, seed: int = 1) -> Iterator[InputRecord]:
    """Endless input of a processor, including bad records and tombstones."""
    chance = random.Random(seed)
    generate = {OrderExtractor.name: _hits, BehaviorScorer.name: _orders, SentimentScorer.name: _posts}[processor]
    for record in generate(chance):
        draw = chance.random()
        if draw < 0.02:
            yield record._replace(value=chance.choice(BAD))
        elif draw < 0.03:
            yield record._replace(value=None)
        yield record


def send(settings: Settings, records: list[InputRecord]) -> int:
    """Produce the records; returns how many there were."""
    producer = clients.producer(settings, **{"linger.ms": 1})
    for record in records:
        producer.produce(record.topic, record.value, record.key)
    assert producer.flush(30) == 0
    return len(records)


def _hits(chance: random.Random) -> Iterator[InputRecord]:
    """Sessions that fill and empty carts, buy, load the page again, fall idle; bots and late hits among them."""
    minutes = 0.0
    for number in range(1_000_000):
        # Occasionally enough time passes for carts to be abandoned.
        minutes += 45 if chance.random() < 0.01 else 0.1
        session = f"S{chance.randrange(30)}"
        kind = chance.choice(("page_view", "add_to_cart", "add_to_cart", "remove_from_cart", "purchase", None))
        fields: dict[str, Any] = {"pixel_event": kind, "session_id": session, "visitor_id": session}
        if kind in ("add_to_cart", "remove_from_cart"):
            fields |= {"sku": chance.choice("AB"), "quantity": chance.randrange(1, 4), "unit_price": "2.55"}
        if kind == "purchase":
            customer = chance.choice((f"C{chance.randrange(15)}", None))
            fields |= {"order_id": str(chance.randrange(number + 1)), "order_total": "5.10", "customer_id": customer}
        fields["is_bot"] = chance.random() < 0.05
        time = _at(chance, minutes)
        yield InputRecord("web_logs", session.encode(), encode(hit(str(number), time=time, currency="GBP", **fields)))


def _orders(chance: random.Random) -> Iterator[InputRecord]:
    """Orders out of order, repeated, corrected, sent by both channels, returned; guests and adjustments."""
    for number in range(1_000_000):
        customer = None if chance.random() < 0.05 else f"C{chance.randrange(15)}"
        fields: dict[str, Any] = {
            "channel": chance.choice(("store", "store", "web")),
            "kind": chance.choice(("order", "order", "order", "return", "adjustment")),
            "version": chance.randrange(1, 3),
        }
        # Few numbers, so that most orders are sent several times; each customer has their own.
        order_id = f"{customer}-{chance.randrange(number // 20 + 2)}"
        event = order(order_id, ("A", 2, "2.55"), customer_id=customer, time=_at(chance, number), **fields)
        yield InputRecord("orders", (customer or order_id).encode(), encode(event))


def _posts(chance: random.Random) -> Iterator[InputRecord]:
    """Posts that are edited, deleted, posted again and repeated, and feedback."""
    minutes = 0
    for number in range(1_000_000):
        minutes += chance.randrange(120)
        if chance.random() < 0.2:
            form = feedback(str(number), time=at(minutes), text=chance.choice(TEXTS))
            yield InputRecord("customer_feedback", form.feedback_id.encode(), encode(form))
            continue
        author = f"A{chance.randrange(8)}"
        deleted = chance.random() < 0.2
        text = None if deleted else f"{chance.choice(TEXTS)} {chance.randrange(4)}"
        post_id = f"{author}-{chance.randrange(number // 10 + 2)}"
        event = post(post_id, time=_at(chance, minutes), author=author, text=text, deleted=deleted)
        yield InputRecord("social_media", author.encode(), encode(event))


def _at(chance: random.Random, minutes: float) -> datetime:
    """Around this time: a tenth of the records come late."""
    return at(minutes - (chance.randrange(60) if chance.random() < 0.1 else 0))
