"""The edge: every input is counted once, only valid records are published, and the rate is kept."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cases.data_science.topics.customer_feedback import CustomerFeedback
from headrace.cases.data_science.topics.social_media import SocialPost
from headrace.commands.sources import FILE
from headrace.contracts.decoding import decode
from headrace.contracts.errors import Terminal
from headrace.contracts.topic import MAX_RECORD_BYTES
from headrace.streaming.runtime.publishing import MAX_KEY_BYTES, DeadLetter, Publisher
from headrace.streaming.sources.delivery import IncompleteInput, Pace, UnrecognizedInput, deliver, require_recognized
from headrace.streaming.sources.ingest import file_sources
from headrace.streaming.sources.outcomes import EMPTY_LINE, Accepted, Ignored, Outcome, Rejected


class Recorder:
    """Takes what a `Publisher` would send."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes, bytes]] = []
        self.dead: list[DeadLetter] = []
        self.flushed = False

    def publish(self, topic: str, key: bytes, value: bytes) -> None:
        self.published.append((topic, key, value))

    def dead_letter(self, letter: DeadLetter) -> None:
        self.dead.append(letter)

    def flush(self) -> None:
        self.flushed = True

    @property
    def publisher(self) -> Publisher:
        return cast("Publisher", self)


def post(text: str = "hi", key: bytes = b"k", time: datetime = datetime(2020, 1, 1, tzinfo=UTC)) -> Accepted:
    event = SocialPost(
        event_id="1", event_time=time, source="test", post_id="1", platform="x", author="a", text=text
    )  # fmt: skip
    return Accepted("social_media", key, event, b"raw", 7)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (post("a\0b"), "NUL"),
        (post("\ud800"), "surrogate"),
        (post("x" * MAX_RECORD_BYTES), "longer than"),
        (post(key=b"x" * (MAX_KEY_BYTES + 1)), "key longer"),
        (post(time=datetime(999, 1, 1, tzinfo=UTC)), "1000 and 2999"),
        (post(time=datetime(3000, 1, 1, tzinfo=UTC)), "1000 and 2999"),
    ],
)
def test_what_a_reader_would_refuse_becomes_a_dead_letter(outcome: Accepted, reason: str) -> None:
    recorder = Recorder()
    counts = deliver([outcome], recorder.publisher, source="test", origin="a.log")
    assert counts.as_json() == {"input": 1, "accepted": 0, "rejected": 1, "ignored": 0}
    (letter,) = recorder.dead
    assert (letter.topic, letter.value, letter.position) == ("social_media", b"raw", "a.log:7")
    assert letter.stage == "source:test"
    assert reason in letter.reason


ANY_TEXT = st.text(st.characters(), max_size=20)


@given(
    ANY_TEXT,
    ANY_TEXT,
    st.one_of(st.none(), st.integers(-(10**20), 10**20)),
    st.datetimes(timezones=st.just(UTC)),
)
def test_every_published_value_passes_the_strict_decoder(
    text: str, identity: str, rating: int | None, time: datetime
) -> None:
    event = CustomerFeedback(
        event_id=identity,
        event_time=time,
        source="test",
        feedback_id=identity,
        channel="form",
        rating=rating,
        text=text,
    )
    recorder = Recorder()
    counts = deliver([Accepted("customer_feedback", b"k", event, b"", 1)], recorder.publisher, source="t", origin="t")
    assert counts.input == len(recorder.published) + len(recorder.dead) == 1
    for _, _, value in recorder.published:
        decode(CustomerFeedback, value)


def test_input_is_the_sum_and_reasons_are_counted() -> None:
    empty = Ignored("empty line")
    outcomes: list[Outcome] = [post(), Rejected("orders", "bad", b"raw", 2), empty, empty]
    recorder = Recorder()
    counts = deliver(outcomes, recorder.publisher, source="test", origin="x")
    assert counts.as_json() == {"input": 4, "accepted": 1, "rejected": 1, "ignored": 2}
    assert (counts.by_topic["social_media"], counts.rejected_reasons["bad"], counts.ignored_reasons["empty line"]) == (
        1,
        1,
        2,
    )
    assert recorder.flushed


def test_input_that_fails_under_way_is_delivered_and_counted_up_to_there() -> None:
    def failing() -> Iterator[Outcome]:
        yield post()
        raise Terminal("The file ends.", remedy="Copy it.")

    recorder = Recorder()
    with pytest.raises(IncompleteInput, match=r"The file ends\. Copy it\.") as caught:
        deliver(failing(), recorder.publisher, source="test", origin="x")
    assert caught.value.counts.accepted == len(recorder.published) == 1
    assert recorder.flushed


def test_a_stop_ends_the_delivery_after_the_record_at_hand() -> None:
    stop = threading.Event()

    def endless() -> Iterator[Outcome]:
        while True:
            yield post()
            stop.set()

    assert deliver(endless(), Recorder().publisher, source="test", origin="x", stop=stop).accepted == 2


class Waiting(threading.Event):
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        self.now += timeout or 0
        return False


def test_the_pace_is_even_and_lost_time_is_not_made_up() -> None:
    clock = Waiting()
    pace = Pace(10, clock, lambda: clock.now)
    for _ in range(11):
        pace.wait()
    assert clock.now == pytest.approx(1.0)
    clock.now += 60
    for _ in range(11):
        pace.wait()
    assert clock.now == pytest.approx(62.0, abs=0.2)


def test_a_fast_pace_waits_a_hundred_times_a_second_at_most() -> None:
    clock = Waiting()
    pace = Pace(1_000, clock, lambda: clock.now)
    for _ in range(2_001):
        pace.wait()
    assert clock.now == pytest.approx(2.0, abs=0.02)
    assert min(clock.waits) >= 0.01


def test_every_source_of_files_is_described_in_the_docs() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "sources.md").read_text()
    described = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]
    assert sorted(described) == sorted([FILE, *file_sources()])


def test_input_of_which_nothing_is_recognized_is_an_error() -> None:
    wrong, blank = Rejected("social_media", "malformed", b"x", 1), Ignored(EMPTY_LINE)

    def counted(*outcomes: Outcome) -> Recorder:
        recorder = Recorder()
        counts = deliver(outcomes, recorder.publisher, source="mastodon", origin="a file")
        require_recognized(counts, "mastodon", "a file")
        return recorder

    for recognized in ((), (blank,), (wrong, post()), (wrong, Ignored("visibility direct"))):
        counted(*recognized)
    with pytest.raises(UnrecognizedInput, match="all 2 inputs were rejected") as unrecognized:
        counted(wrong, blank, wrong)
    assert unrecognized.value.counts.as_json() == {"input": 3, "accepted": 0, "rejected": 2, "ignored": 1}
