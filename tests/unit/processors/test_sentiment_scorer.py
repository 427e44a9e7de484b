"""Sentiment of posts and feedback, and what is kept of deleted ones."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from headrace.cases.data_science.models.sentiment.text import clean, read
from headrace.cases.data_science.models.sentiment.vader import Scores, Vader
from headrace.cases.data_science.processors.sentiment_scorer import REMEMBERED, SentimentScorer
from headrace.cases.data_science.topics.customer_feedback import CustomerFeedback
from headrace.cases.data_science.topics.customer_sentiment import CustomerSentiment
from headrace.cases.data_science.topics.social_media import SocialPost
from headrace.contracts.decoding import decode, encode
from headrace.contracts.types import MAX_ID_LENGTH
from headrace.streaming.runtime.processing.processor import Record, Result
from headrace.streaming.runtime.processing.store import View
from tests.shared_data import shared
from tests.unit.processing.empty_store import EmptyStore

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENGLISH = "The parcel came on time and I am so happy with it, thank you!"


def post(post_id: str, text: str | None = ENGLISH, *, hours: float = 0, author: str = "A") -> SocialPost:
    return SocialPost(
        event_id=f"{post_id}-{hours}",
        event_time=START + timedelta(hours=hours),
        source="test",
        post_id=post_id,
        platform="bluesky",
        author=author,
        text=text,
        language="en",
        deleted=text is None,
    )


def feedback(feedback_id: str, title: str | None, text: str | None) -> CustomerFeedback:
    return CustomerFeedback(
        event_id=feedback_id,
        event_time=START,
        source="test",
        feedback_id=feedback_id,
        channel="form",
        title=title,
        text=text,
    )


class Stream:
    """A partition that the scorer reads."""

    def __init__(self) -> None:
        self.state = View(EmptyStore())
        self.results: list[Result] = []

    def take(self, *events: SocialPost | CustomerFeedback) -> "Stream":
        records = [Record(event, None, offset) for offset, event in enumerate(events)]
        self.results.append(SentimentScorer(Vader()).process("any", records, self.state, START))
        assert self.results[-1].used + sum(self.results[-1].drops.values()) == len(events)
        return self

    @property
    def scored(self) -> list[CustomerSentiment]:
        values = [output.value for result in self.results for output in result.outputs]
        return [value for value in values if isinstance(value, CustomerSentiment)]

    def dropped(self) -> dict[str, int]:
        return {reason: count for result in self.results for reason, count in result.drops.items()}

    def kept(self) -> dict[bytes, bytes | None]:
        return {key: value for key, value in self.state.changes.items() if value is not None}


def test_feedback_with_the_longest_channel_is_scored_within_the_contract() -> None:
    given = msgspec.structs.replace(feedback("f", None, ENGLISH), channel="c" * MAX_ID_LENGTH)
    (scored,) = Stream().take(given).scored
    assert decode(CustomerSentiment, encode(scored)).platform == given.channel


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("<p>Hello&nbsp;&amp; <b>bye</b></p>", "Hello & bye"),
        ("see https://t.example/x?y=1 and www.shop.example now", "see and now"),
        ("@bob @carol@social.example thanks", "thanks"),
        ("mail me at bob@shop.example", "mail me at bob@shop.example"),
        ("sooooo goooood!!!", "soo good!!!"),
        ("love it 😍😍😍 #weekend", "love it 😍😍😍 weekend"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("in 1000 days", "in 1000 days"),
    ],
)
def test_text_is_cleaned_of_what_is_no_sentiment(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


@given(st.text(max_size=200))
def test_cleaning_takes_any_text_and_reading_it_never_fails(text: str) -> None:
    read(text, None)


@pytest.mark.parametrize(
    ("text", "declared", "language", "unreadable"),
    [
        (ENGLISH, None, "en", None),
        ("Das Paket kam leider viel zu spät an und war beschädigt.", "en", "de", "language"),
        ("Super!", None, "en", None),
        ("Genial!", "es", "es", "language"),
        ("Great", "en-GB", "en", None),
        ("😍😍", None, None, None),
        ("12 34 :", None, None, "no text"),
        ("https://only.a.link/", None, None, "no text"),
        (None, None, None, "no text"),
    ],
)
def test_what_the_model_cannot_read_is_marked(
    text: str | None, declared: str | None, language: str | None, unreadable: str | None
) -> None:
    found = read(text, declared)
    assert (found.language, found.unreadable) == (language, unreadable)


def test_vader_agrees_with_its_own_thresholds_on_real_sentences() -> None:
    lines = shared("labelled-sentences").glob("*.txt")
    texts = [line.rsplit("\t", 1)[0] for file in lines for line in file.read_text().splitlines()][:500]
    assert texts
    analyzer = SentimentIntensityAnalyzer()
    for text, scores in zip(texts, Vader().score(texts), strict=True):
        compound = analyzer.polarity_scores(text)["compound"]
        expected = "positive" if compound >= 0.05 else "negative" if compound <= -0.05 else "neutral"
        assert scores.label == expected
        assert sum(scores) == pytest.approx(1.0, abs=3e-6)


def test_ties_are_not_neutral() -> None:
    assert Scores(0.2, 0.4, 0.4).label == "positive"
    assert Scores(0.4, 0.4, 0.2).label == "negative"


def test_posts_and_feedback_get_their_sentiment_under_their_subject() -> None:
    stream = Stream().take(post("1"), feedback("F", "Terrible", "It broke after a day, awful and useless."))
    assert [(s.subject_id, s.subject, s.label) for s in stream.scored] == [
        ("bluesky/1", "post", "positive"),
        ("F", "feedback", "negative"),
    ]
    assert [output.key for output in stream.results[0].outputs] == [b"bluesky/1", b"F"]


def test_feedback_with_stars_alone_goes_out_as_unreadable() -> None:
    (scored,) = Stream().take(feedback("F", None, None)).scored
    assert (scored.label, scored.unreadable_reason, scored.deleted) == (None, "no text", False)


def test_an_authors_repost_is_dropped_and_anothers_same_text_is_not() -> None:
    stream = Stream().take(post("1"), post("2", hours=1), post("3", hours=2, author="B"), post("1", hours=3))
    assert [s.subject_id for s in stream.scored] == ["bluesky/1", "bluesky/3"]
    assert stream.dropped() == {"repost of the author's own text": 1, "repeated": 1}


def test_an_edit_is_scored_again_under_the_same_subject() -> None:
    stream = Stream().take(post("1"), post("1", "No, it broke. Terrible, I hate it so much.", hours=1))
    assert [(s.subject_id, s.label) for s in stream.scored] == [("bluesky/1", "positive"), ("bluesky/1", "negative")]
    stream.take(post("2", hours=2))
    assert stream.scored[-1].subject_id == "bluesky/2", "the first text is not the author's any more"


def test_only_the_id_of_a_deleted_post_is_kept_and_the_deletion_is_sent() -> None:
    stream = Stream().take(post("1"), post("1", None, hours=1))
    deletion = stream.scored[-1]
    assert (deletion.subject_id, deletion.deleted, deletion.label, deletion.language) == ("bluesky/1", True, None, None)
    assert {key for key in stream.kept() if not key.startswith((b"t", b"w"))} == {b"dbluesky/1"}
    stream.take(post("1", hours=2))
    assert stream.dropped() == {"deleted before": 1}


def test_a_deletion_of_a_post_that_was_never_seen_goes_out_too() -> None:
    assert [s.deleted for s in Stream().take(post("9", None)).scored] == [True]


def test_nothing_of_the_past_stays_in_the_state() -> None:
    hours = REMEMBERED / timedelta(hours=1) + 1
    stream = Stream().take(post("1"), post("2", None), post("9", None, hours=hours), post("9", None, hours=3 * hours))
    assert {key for key in stream.kept() if not key.startswith((b"t", b"w"))} <= {b"dbluesky/9"}


@given(
    st.lists(
        st.tuples(st.sampled_from("123"), st.sampled_from([ENGLISH, "no", None]), st.integers(-5, 90)), min_size=1
    ),
    st.data(),
)
def test_the_output_does_not_depend_on_how_the_stream_is_batched(
    drawn: Sequence[tuple[str, str | None, int]], data: st.DataObject
) -> None:
    posts, hours = list[SocialPost](), 0
    for post_id, text, step in drawn:
        hours += step
        posts.append(post(post_id, text, hours=hours))
    whole, cut = Stream().take(*posts), Stream()
    while posts:
        size = data.draw(st.integers(1, len(posts)))
        cut.take(*posts[:size])
        posts = posts[size:]
    assert cut.scored == whole.scored
    assert cut.kept() == whole.kept()
