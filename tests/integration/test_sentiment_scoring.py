"""The sentiment scorer on the real broker, over both of its inputs."""

import subprocess
import sys

from headrace.cases.data_science.processors.sentiment_scorer import SentimentScorer
from headrace.cases.data_science.topics.customer_sentiment import CustomerSentiment
from headrace.contracts.decoding import decode, encode
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.operations.reconciliation.stack import reconcile_stack
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.processing.progress import wait_until_processed
from tests.integration.landers import environment
from tests.integration.processor_instances import read_all
from tests.integration.samples import feedback, post


def test_posts_feedback_and_deletions_reach_customer_sentiment(fresh: Settings) -> None:
    producer = clients.producer(fresh)
    happy = "What a wonderful day, I love this shop and its lovely parcels!"
    for event in (
        post("1", text=happy),
        post("2", text=happy),
        post("3", text="Das war leider gar nichts, schade drum."),
    ):
        producer.produce("social_media", encode(event), b"A")
    producer.produce("social_media", encode(post("1", text=None, deleted=True)), b"A")
    producer.produce("social_media", b"{no json", b"A")
    producer.produce("customer_feedback", encode(feedback("F", rating=1, text="Terrible, it broke, I hate it.")), b"F")
    assert producer.flush(30) == 0
    scorer = subprocess.Popen(
        [sys.executable, "-m", "headrace", "processor", "run", SentimentScorer.name], env=environment(fresh)
    )
    try:
        assert wait_until_processed(fresh, SentimentScorer(), timeout=60)
    finally:
        scorer.terminate()
        assert scorer.wait(30) == 0
    rows = read_all(fresh, "customer_sentiment", TOPICS["customer_sentiment"].partitions)
    scored = {key: decode(CustomerSentiment, value) for _, key, value in rows if value is not None}
    assert {key: (event.label, event.deleted, event.unreadable_reason) for key, event in scored.items()} == {
        b"bluesky/1": (None, True, None),
        b"bluesky/3": (None, False, "language"),
        b"F": ("negative", False, None),
    }
    dead = read_all(fresh, "social_media.dlq", 1)
    assert [value for _, _, value in dead] == [b"{no json"]
    books = [row for row in reconcile_stack(fresh).processors if row.inputs]
    assert all(row.sound for row in books)
    assert sum(row.inputs for row in books) == 6
    assert {reason: count for row in books for reason, count in row.drops.items()} == {
        "repost of the author's own text": 1
    }
