"""`social_media` and `customer_feedback` to `customer_sentiment`: the sentiment of each post and feedback.

A text is cleaned and its language detected (`models.sentiment.text`); then the current scorer scores it. Text that the
scorer cannot read is published with the reason instead of probabilities. A score's key is its subject, so an edit or a
deletion replaces it. Deletions are published even if the post was never seen.

State, for `REMEMBERED` of stream time: the hashes of each author's texts, to drop reposts of the same text, and the ids
of deleted posts, so that a post that arrives after its deletion stays deleted. Only the id of a deleted post is kept.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import ClassVar, NamedTuple

from contracts.data_science import CustomerFeedback, CustomerSentiment, SocialPost
from contracts.types import Event, derived_id
from models.sentiment.scorer import Scorer, current
from models.sentiment.text import Readable, read_all
from models.sentiment.vader import Scores, Subject
from streaming.processors.processor import Output, Record, Result, State
from streaming.processors.stream_time import StreamTime

REMEMBERED = timedelta(days=7)
_TEXT, _POST, _GONE = b"h", b"p", b"d"
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
    state_version: ClassVar[int] = 1

    def __init__(self, scorer: Scorer | None = None) -> None:
        self._scorer = scorer

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:  # noqa: ARG002
        scorer = self._scorer or current()
        result = Result()
        time = StreamTime(state, [record.event.event_time for record in records])
        subjects: list[_Subject] = []
        texts: list[Readable | None] = []
        readings = read_all(_text_of(record.event) for record in records)
        for record, reading in zip(records, readings, strict=True):
            for due in time.advance(record.event.event_time):
                _forget(state, due)
            event = record.event
            if isinstance(event, CustomerFeedback):
                subjects.append(_Subject(event, event.feedback_id, event.channel))
                texts.append(reading)
            elif isinstance(event, SocialPost):
                subject = _Subject(event, f"{event.platform}/{event.post_id}", event.platform)
                text = None if event.deleted else reading
                drop = _remember(state, time, subject, text)
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
        time.save()
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


def _remember(state: State, time: StreamTime, subject: _Subject, text: Readable | None) -> str | None:
    """Record the post in the state; returns a reason if it is dropped."""
    identity = subject.subject_id.encode()
    post, gone = _POST + identity, _GONE + identity
    if text is None:
        _forget(state, post)
        if state.get(gone) is None:
            state.put(gone, b"")
            time.set_timer(REMEMBERED, gone)
        return None
    if state.get(gone) is not None:
        return "deleted before"
    author = subject.event.author if isinstance(subject.event, SocialPost) else ""
    hashed = _TEXT + blake2b(f"{author}\0{text.text}".encode(), digest_size=_HASH_BYTES).digest()
    known = state.get(hashed)
    if known is not None and text.text:
        return "repeated" if known == identity else "repost of the author's own text"
    _forget(state, post)
    state.put(hashed, identity)
    state.put(post, hashed)
    time.set_timer(REMEMBERED, post)
    return None


def _forget(state: State, key: bytes) -> None:
    """Delete a post with the hash of its text, or a deletion."""
    hashed = state.get(key)
    if hashed is None:
        return
    if key.startswith(_POST) and state.get(hashed) == key.removeprefix(_POST):
        state.delete(hashed)
    state.delete(key)
