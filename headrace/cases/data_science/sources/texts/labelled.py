"""The labelled source: sentences and tweets whose sentiment a person has judged.

Three forms: `text<TAB>0|1` (negative, positive), `text<TAB>0|1|2` (negative, neutral, positive), and a file of texts
beside a file of labels 0, 1, 2, line by line.
"""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from itertools import zip_longest
from typing import Literal

from headrace.cases.data_science.labels import Label
from headrace.cases.data_science.topics.customer_feedback import CustomerFeedback
from headrace.cases.data_science.topics.social_media import SocialPost
from headrace.streaming.sources.files import MAX_LINE_BYTES, OversizedLine, Piece, numbered_lines
from headrace.streaming.sources.outcomes import EMPTY_LINE, Accepted, Ignored, Outcome, Rejected
from headrace.streaming.sources.rows import decode_text
from headrace.streaming.sources.times import UNDATED

SOURCE = "labelled"
Destination = Literal["social_media", "customer_feedback"]
CHANNEL = "import"
UNKNOWN_AUTHOR = "unknown"
TWO_CLASSES: dict[str, Label] = {"0": "negative", "1": "positive"}
THREE_CLASSES: dict[str, Label] = {"0": "negative", "1": "neutral", "2": "positive"}

_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")

_Line = tuple[int, bytes] | OversizedLine


def count_classes(pieces: Iterable[Piece]) -> int:
    """3 if any line has the label 2, else 2."""
    lines = (item[1] for item in numbered_lines(pieces) if not isinstance(item, OversizedLine))
    return 3 if any(line.rstrip().endswith(b"\t2") for line in lines) else 2


def sentences(
    pieces: Iterable[Piece], classes: int, to: Destination = "customer_feedback", event_time: datetime = UNDATED
) -> Iterator[Outcome]:
    """`text<TAB>label`, one outcome per line. The text itself may contain tabs; the last one separates."""
    labels = TWO_CLASSES if classes == 2 else THREE_CLASSES
    for item in numbered_lines(pieces):
        if isinstance(item, OversizedLine):
            yield _oversized(item, to)
            continue
        number, raw = item
        text, tab, label = decode_text(raw).rstrip("\r\n ").rpartition("\t")
        if not raw.strip():
            yield Ignored(EMPTY_LINE)
        elif not tab:
            yield Rejected(to, "no tab between text and label", raw, number)
        else:
            yield _outcome(to, CHANNEL, _unescape(text).strip(), labels.get(label.strip()), raw, number, event_time)


def text_and_labels(
    texts: Iterable[Piece], labels: Iterable[Piece], to: Destination = "social_media", event_time: datetime = UNDATED
) -> Iterator[Outcome]:
    """One outcome per line of the longer file: line n of one belongs to line n of the other."""
    for text, label in zip_longest(numbered_lines(texts), numbered_lines(labels)):
        yield _pair(text, label, to, event_time)


def _pair(text: _Line | None, label: _Line | None, to: Destination, event_time: datetime) -> Outcome:
    for item in (text, label):
        if isinstance(item, OversizedLine):
            return _oversized(item, to)
    number, raw = text if isinstance(text, tuple) else (0, b"")
    label_number, given = label if isinstance(label, tuple) else (0, b"")
    if not number:
        return Rejected(to, "label without a text", given, label_number)
    if not label_number:
        return Rejected(to, "text without a label", raw, number)
    judged = THREE_CLASSES.get(decode_text(given).strip())
    return _outcome(to, "twitter", _unescape(decode_text(raw)).strip(), judged, raw, number, event_time)


def _outcome(
    to: Destination, platform: str, text: str, label: Label | None, raw: bytes, number: int, event_time: datetime
) -> Outcome:
    if label is None:
        return Rejected(to, "unknown label", raw, number)
    if not text:
        return Rejected(to, "no text", raw, number)
    identity = f"{SOURCE}-{number}-{sha256(raw).hexdigest()[:16]}-{label}"
    if to == "social_media":
        post = SocialPost(
            event_id=identity,
            event_time=event_time,
            source=SOURCE,
            post_id=identity,
            platform=platform,
            author=UNKNOWN_AUTHOR,
            text=text,
            language="en",
            label=label,
        )
        return Accepted(to, UNKNOWN_AUTHOR.encode(), post, raw, number)
    feedback = CustomerFeedback(
        event_id=identity,
        event_time=event_time,
        source=SOURCE,
        feedback_id=identity,
        channel=platform,
        text=text,
        label=label,
    )
    return Accepted(to, identity.encode(), feedback, raw, number)


def _oversized(line: OversizedLine, to: Destination) -> Rejected:
    return Rejected(to, f"line longer than {MAX_LINE_BYTES} bytes", line.head, line.number, size=line.size)


def _unescape(text: str) -> str:
    r"""Decode escapes such as `\u2019`; two escapes that form a surrogate pair become one character."""
    return _ESCAPES.sub(lambda match: json.loads(f'"{match[0]}"'), text)
