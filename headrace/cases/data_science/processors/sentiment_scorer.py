"""`social_media` and `customer_feedback` to `customer_sentiment`: the sentiment of each post and feedback.

A text is cleaned and its language detected (`models/sentiment/text.py`); then the current scorer scores it. Text
that the scorer cannot read is published with the reason instead of probabilities. A score's key is its subject, so an
edit or a deletion replaces it. Deletions are published even if the post was never seen.

For `REMEMBERED` of stream time, reposts of the same text by its author are dropped, and a post that arrives after its
deletion stays deleted. Only the id of a deleted post is kept.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import ClassVar, NamedTuple

from headrace.cases.data_science.models.sentiment.scorer import SCORER, Scorer
from headrace.cases.data_science.models.sentiment.text import Readable, read_all
from headrace.cases.data_science.models.sentiment.vader import Scores, Subject
from headrace.cases.data_science.topics.customer_feedback import CustomerFeedback
from headrace.cases.data_science.topics.customer_sentiment import CustomerSentiment
from headrace.cases.data_science.topics.social_media import SocialPost
from headrace.contracts.types import Event, derived_id
from headrace.streaming.runtime.processing.processor import Output, Record, Result, State
from headrace.streaming.runtime.processing.stream_time import StreamTime
from headrace.streaming.runtime.processing.tables import Table

REMEMBERED = timedelta(days=7)
_HASH_BYTES = 16


class _Subject(NamedTuple):
    """A subject to score, without its text."""

    event: SocialPost | CustomerFeedback
    subject_id: str
    platform: str

    @property
    def kind(self) -> Subject:
        return "feedback" if isinstance(self.event, CustomerFeedback) else "post"


class SentimentScorer:
    """Scores posts and feedback."""

    name: ClassVar[str] = "sentiment-scorer"
    inputs: ClassVar[tuple[str, ...]] = ("social_media", "customer_feedback")
    output: ClassVar[str] = "customer_sentiment"
    hashes: ClassVar = Table("hashes", bytes, "the post with a text, by the hash of author and text")
    posts: ClassVar = Table("posts", bytes, "the hash of a post's author and text, by post", timer=REMEMBERED)
    deletions: ClassVar = Table("deletions", bytes, "marks a deleted post, by post", timer=REMEMBERED)
    state_version: ClassVar[int] = 2
    model: ClassVar = SCORER

    def __init__(self, scorer: Scorer | None = None) -> None:
        self._scorer = scorer

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:  # noqa: ARG002
        scorer = self._scorer or SCORER.current()
        result = Result()
        memory = _Memory(state, records)
        subjects: list[_Subject] = []
        texts: list[Readable | None] = []
        readings = read_all(_text_of(record.event) for record in records)
        for record, reading in zip(records, readings, strict=True):
            event = record.event
            memory.advance(event.event_time)
            if isinstance(event, CustomerFeedback):
                subjects.append(_Subject(event, event.feedback_id, event.channel))
                texts.append(reading)
            elif isinstance(event, SocialPost):
                subject = _Subject(event, f"{event.platform}/{event.post_id}", event.platform)
                text = None if event.deleted else reading
                drop = memory.take(subject, text)
                if drop is not None:
                    result.drops[drop] += 1
                    continue
                subjects.append(subject)
                texts.append(text)
        result.used = len(subjects)
        pairs = zip(subjects, texts, strict=True)
        readable: list[tuple[str, Subject]] = [
            (text.text, of.kind) for of, text in pairs if text is not None and text.unreadable is None
        ]
        scores = iter(scorer.score([text for text, _ in readable], [kind for _, kind in readable]))
        for subject, text in zip(subjects, texts, strict=True):
            score = next(scores) if text is not None and text.unreadable is None else None
            event = self._event(subject, text, score, scorer.version, now)
            result.outputs.append(Output(subject.subject_id.encode(), event))
        memory.save()
        return result

    def _event(
        self, subject: _Subject, text: Readable | None, score: Scores | None, version: str, now: datetime
    ) -> CustomerSentiment:
        return CustomerSentiment(
            event_id=derived_id("sentiment", subject.event.event_id),
            event_time=subject.event.event_time,
            source=self.name,
            subject_id=subject.subject_id,
            subject=subject.kind,
            platform=subject.platform,
            language=text.language if text is not None else None,
            label=score.label if score is not None else None,
            negative=score.negative if score is not None else None,
            neutral=score.neutral if score is not None else None,
            positive=score.positive if score is not None else None,
            unreadable_reason=text.unreadable if text is not None else None,
            model_version=version,
            scored_at=now,
            deleted=text is None,
        )


def _text_of(event: Event) -> tuple[str | None, str | None]:
    """The text of an event, and its language as declared."""
    if isinstance(event, CustomerFeedback):
        return "\n".join(filter(None, (event.title, event.text))), None
    return (event.text, event.language) if isinstance(event, SocialPost) else (None, None)


class _Memory:
    """The posts of the last days in one partition, during a batch."""

    def __init__(self, state: State, records: Sequence[Record]) -> None:
        of = SentimentScorer
        self._hashes, self._posts, self._deletions = of.hashes.of(state), of.posts.of(state), of.deletions.of(state)
        self._time = StreamTime(state, [record.event.event_time for record in records], (of.posts, of.deletions))
        self.save = self._time.save

    def advance(self, time: datetime) -> None:
        """Advance stream time, and forget what is due."""
        for table, post in self._time.advance(time):
            if table is SentimentScorer.posts:
                self._forget(post)
            else:
                self._deletions.delete(post)

    def take(self, subject: _Subject, text: Readable | None) -> str | None:
        """Remember a post, or its deletion (without a text); returns a reason if it is dropped."""
        post = subject.subject_id.encode()
        if text is None:
            self._forget(post)
            if post not in self._deletions:
                self._deletions.put(post, b"")
                self._time.set_timer(SentimentScorer.deletions, post)
            return None
        if post in self._deletions:
            return "deleted before"
        author = subject.event.author if isinstance(subject.event, SocialPost) else ""
        hashed = blake2b(f"{author}\0{text.text}".encode(), digest_size=_HASH_BYTES).digest()
        known = self._hashes.get(hashed)
        if known is not None and text.text:
            return "repeated" if known == post else "repost of the author's own text"
        self._forget(post)
        self._hashes.put(hashed, post)
        self._posts.put(post, hashed)
        self._time.set_timer(SentimentScorer.posts, post)
        return None

    def _forget(self, post: bytes) -> None:
        """Delete a post with the hash of its text."""
        hashed = self._posts.get(post)
        if hashed is None:
            return
        if self._hashes.get(hashed) == post:
            self._hashes.delete(hashed)
        self._posts.delete(post)
