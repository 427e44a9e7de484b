"""The jetstream source: recorded messages of Bluesky's Jetstream, one JSON object per line, to `social_media`."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from headrace.cases.data_science.topics.social_media import SocialPost
from headrace.contracts.types import derived_id
from headrace.streaming.sources.files import MAX_LINE_BYTES, OversizedLine, Piece, numbered_lines
from headrace.streaming.sources.outcomes import EMPTY_LINE, Accepted, Ignored, Outcome, Rejected
from headrace.streaming.sources.personal import scrubber
from headrace.streaming.sources.pseudonyms import Pseudonymize
from headrace.streaming.sources.times import parse_utc

TOPIC = "social_media"
SOURCE = "jetstream"
PLATFORM = "bluesky"
POSTS = "app.bsky.feed.post"
BELIEVED_SKEW = timedelta(days=1)
"""Maximum difference between an author's clock and the relay's for which the author's time is used."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Commit(msgspec.Struct, gc=False):
    operation: str
    collection: str
    rkey: str = ""
    record: msgspec.Raw = msgspec.Raw(b"null")


class _Message(msgspec.Struct, gc=False):
    kind: str
    did: str = ""
    time_us: int = 0
    commit: _Commit | None = None


class _Post(msgspec.Struct, gc=False):
    text: str
    created_at: str | None = msgspec.field(name="createdAt", default=None)
    langs: list[str] | None = None
    reply: msgspec.Raw = msgspec.Raw(b"null")


class InvalidMessage(Exception):  # noqa: N818  a verdict on the message, not a failure
    """The message is not as Jetstream sends it; the reason is without the payload."""


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_post = msgspec.json.Decoder(_Post).decode


def outcomes(pieces: Iterable[Piece], pseudonymize: Pseudonymize) -> Iterator[Outcome]:
    """One outcome per line: creates of posts with text and deletes of posts are accepted, all else is ignored."""
    for item in numbered_lines(pieces):
        if isinstance(item, OversizedLine):
            reason = f"line longer than {MAX_LINE_BYTES} bytes"
            yield Rejected(TOPIC, reason, item.head, item.number, size=item.size)
            continue
        number, raw = item
        yield read_message(raw, number, pseudonymize)


def read_message(raw: bytes, number: int, pseudonymize: Pseudonymize) -> Outcome:
    """The outcome of one message."""
    try:
        return _outcome(raw, number, pseudonymize)
    except InvalidMessage as invalid:
        reason = str(invalid)
    except RecursionError:
        reason = "nested too deeply"
    except UnicodeDecodeError:
        reason = "not UTF-8"
    except msgspec.DecodeError as error:
        reason = str(error)
    return Rejected(TOPIC, reason, raw, number)


def _outcome(raw: bytes, number: int, pseudonymize: Pseudonymize) -> Outcome:
    if not raw.strip():
        return Ignored(EMPTY_LINE)
    message = _decode_message(raw)
    if message.kind != "commit":
        return Ignored(f"kind {message.kind[:40]}")
    if message.commit is None:
        raise InvalidMessage("commit without its content")
    if message.commit.collection != POSTS:
        return Ignored("not a post")
    if message.commit.operation not in ("create", "delete"):
        return Ignored("update of a post")
    return _post(message, message.commit, raw, number, pseudonymize)


def _post(message: _Message, commit: _Commit, raw: bytes, number: int, pseudonymize: Pseudonymize) -> Outcome:
    if not message.did or not commit.rkey:
        raise InvalidMessage("post without did or rkey")
    relayed = _relay_time(message.time_us)
    author = pseudonymize("author", f"{PLATFORM}:{message.did}")
    post_id = f"{author}/{commit.rkey}"
    identity = derived_id(PLATFORM, f"{post_id}-{commit.operation}")
    if commit.operation == "delete":
        gone = SocialPost(
            event_id=identity, event_time=relayed, source=SOURCE, post_id=post_id, platform=PLATFORM, author=author,
            deleted=True,
        )  # fmt: skip
        return Accepted(TOPIC, author.encode(), gone, raw, number)
    post = _decode_post(commit.record)
    if not post.text.strip():
        return Ignored("post without text")
    event = SocialPost(
        event_id=identity,
        event_time=_author_time(post.created_at, relayed),
        source=SOURCE,
        post_id=post_id,
        platform=PLATFORM,
        author=author,
        text=scrubber(pseudonymize)(post.text),
        language=post.langs[0] if post.langs else None,
        is_reply=bytes(post.reply) != b"null",
    )
    return Accepted(TOPIC, author.encode(), event, raw, number)


def _relay_time(time_us: int) -> datetime:
    try:
        moment = _EPOCH + timedelta(microseconds=time_us)
    except OverflowError:
        raise InvalidMessage("time_us is no time") from None
    if time_us <= 0:
        raise InvalidMessage("no time_us")
    return moment


def _author_time(created_at: str | None, relayed: datetime) -> datetime:
    """The author's time, which is the same on every relay; the relay's time if the author's is wrong or unreadable."""
    try:
        created = parse_utc(created_at or "")
    except ValueError:
        return relayed
    return created if abs(created - relayed) <= BELIEVED_SKEW else relayed
