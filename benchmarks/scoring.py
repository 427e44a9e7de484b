"""How fast the scorers score with champions, against the bare runtime on the same records (`make bench-scoring`).

The bare runtime produces one record of the same kind for each one it reads, and computes nothing. Runs alternate; all
are measured by the offsets that they commit. The champions are trained here, on generated rows. `benchmarks.kernels`
measures the kernels alone, on real texts.
"""

import argparse
import json
import multiprocessing
import os
import random
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast
from uuid import uuid4

from benchmarks import kernels
from benchmarks.measuring import servers
from benchmarks.processing import watched
from headrace.cases.data_science.topics.customer_sentiment import CustomerSentiment
from headrace.cases.data_science.topics.social_media import SocialPost
from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.cases.ecommerce.topics.orders import Order, OrderLine
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.contracts.types import Event
from headrace.streaming.runtime.processing.processor import Output, Record, Result, State

START = datetime(2026, 1, 1, tzinfo=UTC)
CUSTOMERS = 5_000
ROWS = 4_000
WORDS = (
    *("great", "love", "happy", "nice", "best", "awful", "hate", "sad", "worst", "broken"),
    *("the", "shop", "parcel", "today", "again", "weather", "train", "coffee", "with", "really"),
    *("phone", "friend", "order", "never", "always", "morning", "movie", "game", "and", "this"),
)
LABELS = ("negative", "neutral", "positive")


class Bare:
    """One record out for one in."""

    state_version = 1

    def __init__(self, topic: str, output: str, made: Callable[[Event], Event]) -> None:
        self.name, self.inputs, self.output = f"bench-{uuid4().hex[:8]}", (topic,), output
        self._made = made

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:  # noqa: ARG002
        return Result([Output(record.key or b"", self._made(record.event)) for record in records], len(records))


def order(number: int, chance: random.Random) -> Order:
    lines = [
        OrderLine(sku=f"S{chance.randrange(999)}", quantity=chance.randrange(1, 9), unit_price="2.55") for _ in range(4)
    ]
    return Order(
        event_id=f"o{number}",
        event_time=START + timedelta(minutes=number),
        source="bench",
        order_id=f"{number}",
        channel="store",
        kind="order",
        customer_id=f"C{chance.randrange(CUSTOMERS)}",
        currency="GBP",
        lines=lines,
        total="0",
    )


def post(number: int, chance: random.Random) -> SocialPost:
    return SocialPost(
        event_id=f"p{number}",
        event_time=START + timedelta(seconds=number),
        source="bench",
        post_id=f"{number}",
        platform="bluesky",
        author=f"a{chance.randrange(CUSTOMERS)}",
        text=" ".join(chance.choices(WORDS, k=18)),
        language="en",
    )


def behavior_of(event: Event) -> Event:
    order = cast("Order", event)
    return CustomerBehavior(
        event_id=f"behavior-{order.event_id}",
        event_time=order.event_time,
        source="bench",
        customer_id=order.customer_id or "",
        feature_cutoff=order.event_time,
        orders=1,
        returns=0,
        monetary_value="10.2000",
        repurchase_probability=0.5,
        segment="new",
        model_version="none",
        scored_at=order.event_time,
    )


def sentiment_of(event: Event) -> Event:
    post = cast("SocialPost", event)
    return CustomerSentiment(
        event_id=f"sentiment-{post.event_id}",
        event_time=post.event_time,
        source="bench",
        subject_id=f"{post.platform}/{post.post_id}",
        subject="post",
        platform=post.platform,
        label="neutral",
        negative=0.2,
        neutral=0.6,
        positive=0.2,
        model_version="none",
        scored_at=post.event_time,
    )


def behavior_champion() -> Any:
    """The behavior scorer with a trained model."""
    import numpy as np
    import polars as pl

    from headrace.cases.ecommerce.models.behavior.scorer import Champion
    from headrace.cases.ecommerce.processors.behavior_scorer import BehaviorScorer
    from headrace.models import training

    chance = np.random.default_rng(1)
    orders, gap, recency = chance.integers(2, 12, ROWS), chance.uniform(5, 40, ROWS), chance.exponential(20, ROWS)
    cutoffs = [START + timedelta(days=15 * (number % 6)) for number in range(ROWS)]
    table = pl.DataFrame(
        {
            "customer_id": [f"C{number}" for number in range(ROWS)],
            "cutoff": pl.Series(cutoffs, dtype=pl.Datetime("us", "UTC")),
            "orders": orders,
            "returns": chance.integers(0, 3, ROWS),
            "currency": ["GBP"] * ROWS,
            "monetary_value": chance.uniform(10, 1_000, ROWS),
            "orders_in_other_currencies": [0] * ROWS,
            "recency_days": recency,
            "tenure_days": recency + gap * (orders - 1),
            "mean_gap_days": gap,
            "mean_basket_lines": chance.uniform(1, 30, ROWS),
            "order_days": orders,
            "last_gap_days": gap.astype(np.int64),
            "median_gap_days": gap,
            "longest_gap_days": (gap * 1.5).astype(np.int64),
            "ordered": chance.random(ROWS) < 1 / (1 + np.exp((recency - 20) / 10)),
            "spend": chance.uniform(10, 1_000, ROWS),
        }
    ).sort("cutoff", "customer_id")
    fitted = training.learner("behavior").fit(table, 1)
    return BehaviorScorer(Champion("behavior-1", fitted))


def sentiment_champion() -> Any:
    """The sentiment scorer with a trained model."""
    import polars as pl

    from headrace.cases.data_science.models.sentiment import learner
    from headrace.cases.data_science.models.sentiment.scorer import Champion
    from headrace.cases.data_science.processors.sentiment_scorer import SentimentScorer

    chance = random.Random(2)
    texts = [" ".join(chance.choices(WORDS, k=18)) for _ in range(1_500)]
    table = pl.DataFrame(
        {
            "subject": ["post"] * len(texts),
            "subject_id": [f"bluesky/{number}" for number in range(len(texts))],
            "source": ["bluesky"] * len(texts),
            "authored_at": [START + timedelta(minutes=number) for number in range(len(texts))],
            "text": texts,
            "language": ["en"] * len(texts),
            "label": [chance.choice(LABELS) for _ in texts],
        }
    )
    fitted = learner.LEARNER.fit(learner.prepared(table), 1)
    return SentimentScorer(Champion("sentiment-1", fitted))


def champion_of(topic: str) -> Any:
    scorer = behavior_champion() if topic == "orders" else sentiment_champion()
    scorer.name = f"bench-{uuid4().hex[:8]}"
    scorer.inputs = (topic,)
    return scorer


def bare_of(topic: str) -> Any:
    made = behavior_of if topic == "orders" else sentiment_of
    return Bare(topic, "customer_behavior" if topic == "orders" else "customer_sentiment", made)


def work(settings: Settings, processor: Any) -> None:
    """One instance of the processor runtime, as `headrace processor run` runs it, until it is killed."""
    from headrace.streaming.runtime import process

    process.keep_memory()
    from headrace.streaming.runtime import logs
    from headrace.streaming.runtime.processing.worker import Worker

    logs.configure("warning")
    process.tune()
    Worker(settings, processor).run()


@contextmanager
def instance(settings: Settings, processor: Any) -> Iterator[int]:
    """The processor in a separate process during the block; yields its process id."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=(settings, processor))
    process.start()
    try:
        yield process.pid or 0
    finally:
        process.terminate()
        process.join()


def fill(settings: Settings, topic: str, records: int) -> None:
    """Produce the backlog of a topic."""
    from headrace.contracts.decoding import encode
    from headrace.streaming.runtime.clients import producer

    chance, client = random.Random(3), producer(settings, **{"queue.buffering.max.messages": 1_000_000})
    made: Callable[[int], Event] = partial(order if topic == "orders" else post, chance=chance)
    for number in range(records):
        event = made(number)
        key = event.customer_id if isinstance(event, Order) else event.author
        client.produce(topic, encode(event), (key or "").encode())
        if number % 10_000 == 0:
            client.poll(0)
    client.flush()


def compare(settings: Settings, records: int, runs: int) -> dict[str, object]:
    """Alternate the two on each topic, and report medians and their ratio."""
    from headrace.streaming.runtime import clients
    from headrace.streaming.runtime.health import wait_for_topics
    from headrace.streaming.runtime.processing.worker import group_of
    from headrace.streaming.runtime.topics import create_topics

    admin = clients.admin(settings)
    create_topics(admin, TOPICS.values())
    wait_for_topics(admin, TOPICS)
    found: dict[str, object] = {"records": records, "runs": runs, "cores": os.cpu_count()}
    for topic in ("orders", "social_media"):
        fill(settings, topic, records)
        rates: dict[str, list[float]] = {"bare": [], "champion": []}
        for number in range(runs):
            for name, made in (("bare", bare_of), ("champion", champion_of)):
                processor = made(topic)
                with instance(settings, processor) as pid:
                    rate, _, _ = watched(settings, group_of(settings, processor.name), records, pid, topic)
                rates[name].append(rate)
            print(f"run {number + 1}, {topic}: {rates}", file=sys.stderr)
        medians = {f"{name}_records_per_second": round(statistics.median(each)) for name, each in rates.items()}
        ratios = [mine / bare for mine, bare in zip(rates["champion"], rates["bare"], strict=True)]
        found[topic] = medians | {"ratio": round(statistics.median(ratios), 3)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    found: dict[str, object] = {"kernels": kernels.compare()}
    with servers(Settings(), "kafka") as settings:
        print(json.dumps(found | compare(settings, chosen.records, chosen.runs)))


if __name__ == "__main__":
    main()
