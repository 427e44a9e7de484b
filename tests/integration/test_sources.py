"""Sources on the real broker: the counts equal what can be read back, dead letters with their reasons included."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep

import pytest
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from headrace.cases.data_science.topics.social_media import SocialPost
from headrace.cases.ecommerce.simulator.run import Plan, simulate
from headrace.cases.ecommerce.topics.orders import Order
from headrace.cases.ecommerce.topics.web_logs import WebLog
from headrace.contracts import dead_letters
from headrace.contracts.decoding import decode
from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.settings import Settings
from headrace.contracts.topic import MAX_DEAD_LETTER_BYTES
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime.clients import admin, consumer
from headrace.streaming.sources.delivery import IncompleteInput, UnrecognizedInput
from headrace.streaming.sources.file_source import Options
from headrace.streaming.sources.ingest import ingest
from tests.integration.landers import environment
from tests.shared_data import shared

HEADRACE = [sys.executable, "-m", "headrace"]


def read_back(settings: Settings, topic: str, *, at_least: int = 0) -> list[Message]:
    """Everything in a topic, once its end shows as many records as were acknowledged."""
    deadline = monotonic() + 30
    while len(found := _read_once(settings, topic)) < at_least and monotonic() < deadline:
        sleep(0.2)
    return found


def _read_once(settings: Settings, topic: str) -> list[Message]:
    reader = consumer(settings, "reader")
    found: list[Message] = []
    try:
        for partition in range(TOPICS[topic].partitions):
            low, high = _range(reader, TopicPartition(topic, partition))
            reader.assign([TopicPartition(topic, partition, low)])
            count = len(found) + high - low
            while len(found) < count:
                messages = reader.consume(count - len(found), timeout=10)
                assert messages, f"{topic} has {len(found)} of {count} records"
                found += messages
    finally:
        reader.close()
    assert not [message.error() for message in found if message.error()]
    return found


def _range(reader: Consumer, partition: TopicPartition) -> tuple[int, int]:
    """First and next offset. The broker needs a moment to know a topic that was created just now."""
    deadline = monotonic() + 30
    while True:
        try:
            return reader.get_watermark_offsets(partition, timeout=10)
        except KafkaException:
            if monotonic() > deadline:
                raise
            sleep(0.2)


def headers(message: Message) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in _headers(message)}


def _headers(message: Message) -> Iterable[tuple[str, bytes | None]]:
    return message.headers() or []  # pyright: ignore[reportReturnType]  the broker gives bytes back


def test_the_elastic_log_is_in_the_topic_and_its_bad_line_in_the_dead_letters(fresh: Settings) -> None:
    path = shared("web-logs-elastic/apache_logs.gz")
    done = subprocess.run(
        [*HEADRACE, "ingest", "access-log", str(path), "--json"],
        env=environment(fresh), capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert json.loads(done.stdout) == {"input": 10_000, "accepted": 9_999, "rejected": 1, "ignored": 0}
    messages = read_back(fresh, "web_logs")
    events = [decode(WebLog, message.value() or b"") for message in messages]
    assert len(events) == 9_999
    assert sum(event.bytes or 0 for event in events) == 2_747_282_505
    assert all(message.key() == event.visitor_id.encode() for message, event in zip(messages, events, strict=True))
    (letter,) = read_back(fresh, "web_logs.dlq")
    assert (letter.value() or b"").startswith(b"46.118.127.106 - - [20/May/2015:12:05:17 +0000]")
    assert headers(letter) == {
        dead_letters.REASON: "not in Common or Combined Log Format",
        dead_letters.STAGE: "source:access-log",
        dead_letters.TOPIC: "web_logs",
        dead_letters.POSITION: "apache_logs.gz:8899",
    }


def test_ingesting_the_order_book_twice_gives_the_same_records_twice(fresh: Settings) -> None:
    path = shared("online-retail/online_retail_to_2011-08.parquet")
    for _ in range(2):
        counts = ingest(fresh, "online-retail", path)
        assert counts.as_json() == {"input": 19_829, "accepted": 19_829, "rejected": 0, "ignored": 0}
        assert counts.by_topic == Counter(orders=16_459, customers=3_370)
    values = Counter(message.value() for message in read_back(fresh, "orders"))
    assert len(values) == 16_459
    assert set(values.values()) == {2}
    assert sum(Decimal(decode(Order, value or b"").total) for value in values) == Decimal("5761931.3820")


@pytest.mark.parametrize(
    ("source", "path", "topic", "counts"),
    [
        ("reviews", "clothing-reviews/womens_clothing_reviews.csv.gz", "customer_feedback", (23_486, 0, 0)),
        ("labelled", "labelled-sentences/yelp_labelled.txt", "customer_feedback", (1_000, 0, 0)),
        ("labelled", "tweets-xlmt-en", "social_media", (1_839, 0, 0)),
        ("weather", "weather-ewr-hourly/weather_ewr_2013.csv.gz", "weather_data", (8_702, 0, 0)),
        ("jetstream", "bluesky-jetstream/jetstream_golden_v1.jsonl", "social_media", (1, 0, 9)),
        ("mastodon", "mastodon-api-json/statuses.jsonl", "social_media", (73, 0, 57)),
    ],
)
def test_every_source_delivers_what_it_counts(
    fresh: Settings, source: str, path: str, topic: str, counts: tuple[int, int, int]
) -> None:
    done = ingest(fresh, source, shared(path))
    assert (done.accepted, done.rejected, done.ignored) == counts
    contract = TOPICS[topic].contract
    assert contract is not None
    values = [decode(contract, message.value() or b"") for message in read_back(fresh, topic)]
    assert len(values) == counts[0]
    assert len(read_back(fresh, TOPICS[topic].dead_letter)) == counts[1]


def test_a_file_of_which_nothing_is_recognized_fails_and_is_in_the_dead_letters(fresh: Settings) -> None:
    with pytest.raises(UnrecognizedInput, match="all 20 inputs were rejected") as caught:
        ingest(fresh, "access-log", shared("web-logs-advertools/nginx_custom_date.log"))
    counts = caught.value.counts
    assert (counts.accepted, counts.rejected, counts.ignored) == (0, 20, 0)
    assert len(read_back(fresh, "web_logs.dlq")) == 20


def test_oversized_lines_are_dead_letters_cut_to_what_the_topic_takes(fresh: Settings, tmp_path: Path) -> None:
    path = tmp_path / "huge.log"
    path.write_bytes(b"x" * 3_000_000 + b"\n" + os.urandom(9_000_000).replace(b"\n", b" ") + b"\n" + b"\xff\0\n\n")
    with pytest.raises(UnrecognizedInput, match="all 3 inputs were rejected") as caught:
        ingest(fresh, "access-log", path)
    counts = caught.value.counts
    assert (counts.accepted, counts.rejected, counts.ignored) == (0, 3, 1)
    whole, cut, binary = read_back(fresh, "web_logs.dlq", at_least=3)
    assert whole.value() == b"x" * 3_000_000
    assert dead_letters.TRUNCATED_FROM_BYTES not in headers(whole)
    assert len(cut.value() or b"") == MAX_DEAD_LETTER_BYTES
    assert headers(cut)[dead_letters.TRUNCATED_FROM_BYTES] == "9000000"
    assert binary.value() == b"\xff\0"


def test_a_truncated_file_is_delivered_up_to_its_damage_and_fails(fresh: Settings, tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(shared("web-logs-elastic/apache_logs.gz").read_bytes()[:100_000])
    with pytest.raises(IncompleteInput, match="ends in the middle") as caught:
        ingest(fresh, "access-log", path)
    counts = caught.value.counts
    assert counts.rejected == 0
    assert len(read_back(fresh, "web_logs")) == counts.accepted > 3_000


def test_a_followed_log_survives_rotation_and_ends_with_its_counts(fresh: Settings, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    lines = shared("web-logs-advertools/combined_no_errors.log").read_bytes().splitlines(keepends=True)[:300]
    path.write_bytes(b"".join(lines[:100]))
    follower = subprocess.Popen(
        [*HEADRACE, "ingest", "access-log", str(path), "--follow", "--json"],
        env=environment(fresh), stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        _wait_for(fresh, "web_logs", 100)
        with path.open("ab", buffering=0) as log:
            log.write(lines[100] + lines[101][:40])
            path.rename(tmp_path / "access.log.1")
            path.write_bytes(b"".join(lines[102:200]))
            log.write(lines[101][40:])
        _wait_for(fresh, "web_logs", 200)
        path.write_bytes(b"")
        sleep(0.5)
        path.write_bytes(b"".join(lines[200:]))
        _wait_for(fresh, "web_logs", 300)
        follower.send_signal(signal.SIGINT)
        out, _ = follower.communicate(timeout=20)
    finally:
        follower.kill()
        follower.wait()
    assert follower.returncode == 0
    assert json.loads(out) == {"input": 300, "accepted": 300, "rejected": 0, "ignored": 0}
    paths = Counter(decode(WebLog, message.value() or b"").event_id for message in read_back(fresh, "web_logs"))
    assert len(paths) == 300


def _wait_for(settings: Settings, topic: str, count: int) -> None:
    deadline = monotonic() + 30
    while (found := len(read_back(settings, topic))) < count:
        assert monotonic() < deadline, f"{found} of {count} records"
        sleep(0.1)


def test_the_rate_is_kept_and_a_stop_leaves_what_was_counted(fresh: Settings) -> None:
    stop = threading.Event()
    threading.Timer(2.0, stop.set).start()
    counts = ingest(fresh, "access-log", shared("web-logs-elastic/apache_logs.gz"), rate=200, stop=stop)
    assert 200 <= counts.accepted <= 450
    assert len(read_back(fresh, "web_logs")) == counts.accepted


def test_a_simulated_week_is_read_back_as_counted(fresh: Settings) -> None:
    counts = simulate(fresh, Plan(days=7, seed=7))
    assert counts.rejected == counts.ignored == 0
    for topic, count in counts.by_topic.items():
        assert len(read_back(fresh, topic)) == count
    posts = [decode(SocialPost, message.value() or b"") for message in read_back(fresh, "social_media")]
    assert len({post.event_id for post in posts}) == counts.by_topic["social_media"]


def test_the_real_order_book_is_ingested_as_an_access_log(fresh: Settings) -> None:
    path = shared("online-retail/online_retail_to_2011-08.parquet")
    counts = simulate(fresh, Plan(orders=path, events=2_000, seed=1))
    assert counts.by_topic == Counter(web_logs=2_000)
    assert len(read_back(fresh, "web_logs")) == 2_000


def test_simulate_prints_its_counts(fresh: Settings) -> None:
    done = subprocess.run(
        [*HEADRACE, "simulate", "--rate", "100", "--seconds", "2", "--seed", "1", "--json"],
        env=environment(fresh), capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert json.loads(done.stdout) == {"input": 200, "accepted": 200, "rejected": 0, "ignored": 0}


def test_a_missing_topic_and_a_missing_broker_are_reported_in_one_sentence(fresh: Settings) -> None:
    client = admin(fresh)
    for future in client.delete_topics(["web_logs.dlq"], operation_timeout=20).values():
        future.result()
    while "web_logs.dlq" in client.list_topics(timeout=10).topics:
        sleep(0.1)
    path = shared("web-logs-elastic/apache_logs.gz")
    with pytest.raises(Terminal, match=r"no topic web_logs\.dlq"):
        ingest(fresh, "access-log", path)
    away = fresh.model_copy(update={"kafka_bootstrap": f"127.0.0.1:{fresh.port('kafka')}"})
    with pytest.raises(Transient, match="does not answer"):
        ingest(away, "access-log", path, options=Options())
    for command in (["verify"], ["landing", "accept-gap", "orders"]):
        run = subprocess.run([*HEADRACE, *command], env=environment(away), capture_output=True, text=True, check=False)
        assert run.returncode == 1
        assert run.stderr.splitlines() == [
            f"Kafka at {away.kafka_bootstrap} does not answer. Is the stack up (`headrace up`)?"
        ]
