"""The mastodon source: recorded Status objects, as JSON lines or a saved timeline, or a recorded event stream (SSE),
to `social_media`. A saved timeline is a response of the API: one JSON array.

Only public statuses are read: any other, or a reblog of one, is ignored.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain

import msgspec

from headrace.cases.data_science.topics.social_media import SocialPost
from headrace.contracts.errors import Terminal
from headrace.contracts.topic import MAX_DEAD_LETTER_BYTES
from headrace.contracts.types import derived_id
from headrace.streaming.sources.files import BYTE_ORDER_MARK, MAX_LINE_BYTES, OversizedLine, Piece, numbered_lines
from headrace.streaming.sources.html_text import html_to_text
from headrace.streaming.sources.outcomes import EMPTY_LINE, Accepted, Ignored, Outcome, Rejected
from headrace.streaming.sources.personal import scrubber
from headrace.streaming.sources.pseudonyms import Pseudonymize
from headrace.streaming.sources.times import UNDATED, parse_utc

TOPIC = "social_media"
SOURCE = "mastodon"
PLATFORM = "mastodon"
PUBLIC = "public"
UNKNOWN_AUTHOR = "unknown"
REMEMBERED_POSTS = 100_000
MAX_TIMELINE_BYTES = 268_435_456
"""Maximum size of a JSON array, which is read as a whole."""

_AS_LINES = "Convert it to JSON lines with `jq -c '.[]'`, and ingest those."

_Line = tuple[int, bytes] | OversizedLine


class _Account(msgspec.Struct, gc=False):
    acct: str
    uri: str | None = None
    url: str | None = None


class _Status(msgspec.Struct):
    id: str
    created_at: str
    visibility: str
    content: str
    account: _Account
    edited_at: str | None = None
    language: str | None = None
    in_reply_to_id: str | None = None
    reblog: "_Status | None" = None


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message of an event stream: its first line, the event's name, the data."""

    number: int
    event: str
    data: bytes
    size: int | None = None


_STREAM = re.compile(rb":|(?:event|data|id|retry)(?:\r?$|:)")
"""How a line of an event stream begins."""

_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_status = msgspec.json.Decoder(_Status).decode


def outcomes(pieces: Iterable[Piece], pseudonymize: Pseudonymize) -> Iterator[Outcome]:
    """One outcome per status or message of the stream. The first non-blank line determines the format.

    Raises:
        Terminal: that line is in neither format.
    """
    lines = numbered_lines(pieces)
    blank = 0
    for first in lines:
        if isinstance(first, OversizedLine) or first[1].strip():
            rest: Iterator[_Line] = chain([first], lines)
            reader = Reader(pseudonymize)
            if _is_json(first):
                yield from (Ignored(EMPTY_LINE) for _ in range(blank))
                yield from map(reader.line, rest)
            elif isinstance(first, OversizedLine) or _STREAM.match(first[1].lstrip()):
                yield from map(reader.message, read_messages(rest))
            else:
                raise Terminal(
                    "The file is neither JSON nor a recorded event stream.",
                    remedy="Give statuses as JSON lines or as one JSON array, or an event stream as it was received.",
                )
            return
        blank += 1
    yield from (Ignored(EMPTY_LINE) for _ in range(blank))


def is_saved_timeline(chunks: Iterable[bytes]) -> bool:
    """Whether a file begins as a JSON array."""
    begin = b""
    for chunk in chunks:
        begin = (begin + chunk).removeprefix(BYTE_ORDER_MARK).lstrip()
        if begin:
            break
    return begin.startswith(b"[")


def saved_timeline(chunks: Iterable[bytes], pseudonymize: Pseudonymize) -> Iterator[Outcome]:
    """One outcome per status of a JSON array.

    Raises:
        Terminal: it is not an array, or too long to be read as a whole.
    """
    whole = bytearray()
    for chunk in chunks:
        whole += chunk
        if len(whole) > MAX_TIMELINE_BYTES:
            raise Terminal(f"The JSON array is longer than {MAX_TIMELINE_BYTES} bytes.", remedy=_AS_LINES)
    try:
        statuses = _decode_array(bytes(whole).removeprefix(BYTE_ORDER_MARK))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Terminal(f"The file begins like a JSON array but is not one: {error}.", remedy=_AS_LINES) from error
    reader = Reader(pseudonymize)
    for number, status in enumerate(map(bytes, statuses), 1):
        if len(status) > MAX_LINE_BYTES:
            reason = f"status longer than {MAX_LINE_BYTES} bytes"
            yield Rejected(TOPIC, reason, status[:MAX_DEAD_LETTER_BYTES], number, size=len(status))
        else:
            yield reader.status(status, number)


def read_messages(lines: Iterable[_Line]) -> Iterator[Message]:
    """Messages of an event stream, as the HTML standard defines them; comments and keep-alives are skipped.

    A recording may end within a message: its incomplete last message counts.
    """
    number, event, data = 0, "", list[bytes]()
    for item in lines:
        if isinstance(item, OversizedLine):
            yield Message(item.number, event or "message", item.head, item.size)
            number, event, data = 0, "", []
            continue
        name, _, value = item[1].rstrip(b"\r").partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            number, event = number or item[0], value.decode(errors="replace")
        elif name == b"data":
            number = number or item[0]
            data.append(value)
        elif not item[1].strip():
            if number:
                yield Message(number, event or "message", b"\n".join(data))
            number, event, data = 0, "", []
    if number:
        yield Message(number, event or "message", b"\n".join(data))


class Reader:
    """Reads one stream. A delete names only the post's id, so authors and the latest time are kept."""

    def __init__(self, pseudonymize: Pseudonymize) -> None:
        self._pseudonymize = pseudonymize
        self._scrub = scrubber(pseudonymize)
        self._authors: OrderedDict[str, str] = OrderedDict()
        self._latest = UNDATED

    def line(self, item: _Line) -> Outcome:
        """The outcome of a status on a line of its own."""
        if isinstance(item, OversizedLine):
            reason = f"line longer than {MAX_LINE_BYTES} bytes"
            return Rejected(TOPIC, reason, item.head, item.number, size=item.size)
        number, raw = item
        return self.status(raw, number) if raw.strip() else Ignored(EMPTY_LINE)

    def message(self, message: Message) -> Outcome:
        """The outcome of one message of the event stream."""
        if message.size is not None:
            reason = f"line longer than {MAX_LINE_BYTES} bytes"
            return Rejected(TOPIC, reason, message.data, message.number, size=message.size)
        match message.event:
            case "update" | "status.update":
                return self.status(message.data, message.number)
            case "delete":
                return self._delete(message.data, message.number)
            case "notification" | "conversation" | "filters_changed" | "announcement" | "encrypted_message":
                return Ignored(f"event {message.event}")
            case _:
                return Ignored("event of another kind")

    def status(self, raw: bytes, number: int) -> Outcome:
        """The outcome of one status."""
        try:
            status = _decode_status(raw)
            if status.visibility != PUBLIC:
                return Ignored(f"visibility {status.visibility[:20]}")
            if status.reblog is not None and status.reblog.visibility != PUBLIC:
                return Ignored(f"repeats a post of visibility {status.reblog.visibility[:20]}")
            return self._accept(status, raw, number)
        except RecursionError:
            reason = "nested too deeply"
        except UnicodeDecodeError:
            reason = "not UTF-8"
        except msgspec.DecodeError as error:
            reason = str(error)
        except ValueError:
            reason = "created_at or edited_at is not an ISO 8601 time"
        return Rejected(TOPIC, reason, raw, number)

    def _accept(self, status: _Status, raw: bytes, number: int) -> Outcome:
        original = status.reblog or status
        if not status.id:
            return Rejected(TOPIC, "status without an id", raw, number)
        time = parse_utc(status.edited_at or status.created_at)
        version = f"edit-{time:%Y%m%dT%H%M%S.%fZ}" if status.edited_at else "post"
        author = self._author(status.account)
        self._remember(status.id, author, time)
        event = SocialPost(
            event_id=derived_id(PLATFORM, f"{status.id}-{version}"),
            event_time=time,
            source=SOURCE,
            post_id=status.id,
            platform=PLATFORM,
            author=author,
            text=self._scrub(html_to_text(original.content)) or None,
            language=original.language,
            is_reply=status.in_reply_to_id is not None,
            is_repost=status.reblog is not None,
        )
        return Accepted(TOPIC, author.encode(), event, raw, number)

    def _delete(self, raw: bytes, number: int) -> Outcome:
        post_id = raw.strip()
        if not post_id.isalnum() or not post_id.isascii():
            return Rejected(TOPIC, "delete without the id of a status", raw, number)
        author = self._authors.get(post_id.decode(), UNKNOWN_AUTHOR)
        event = SocialPost(
            event_id=derived_id(PLATFORM, f"{post_id.decode()}-delete"),
            event_time=self._latest,
            source=SOURCE,
            post_id=post_id.decode(),
            platform=PLATFORM,
            author=author,
            deleted=True,
        )
        return Accepted(TOPIC, author.encode(), event, raw, number)

    def _author(self, account: _Account) -> str:
        return self._pseudonymize("author", f"{PLATFORM}:{account.uri or account.url or account.acct}")

    def _remember(self, post_id: str, author: str, time: datetime) -> None:
        self._latest = max(self._latest, time)
        self._authors[post_id] = author
        if len(self._authors) > REMEMBERED_POSTS:
            self._authors.popitem(last=False)


def _is_json(first: _Line) -> bool:
    return not isinstance(first, OversizedLine) and first[1].lstrip().startswith(b"{")
