"""What may be posted: a body to an event of a contract, or the reason why it is none. Pure; no HTTP, no Kafka."""

import hmac
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, cast
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Struct

from headrace.cases.data_science.topics.customer_feedback import CustomerFeedback, Rating
from headrace.contracts.decoding import InvalidRecord, decode
from headrace.contracts.nesting import MAX_DEPTH, is_too_deep
from headrace.contracts.topic import MAX_RECORD_BYTES
from headrace.contracts.topics import TOPICS
from headrace.contracts.types import Event, UtcTime
from headrace.streaming.runtime.publishing import check_size, encode_event
from headrace.streaming.sources.personal import Scrub

SOURCE = "feedback"
TOPIC = "customer_feedback"
MAX_BODY_BYTES = MAX_RECORD_BYTES
MAX_KEY_LENGTH = 200
MAX_FORM_FIELDS = 20

_KEY = re.compile(r"[!-~]{1,200}")
_FORM_KEY = re.compile(r"[0-9a-f]{32}")

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Title = Annotated[str, Meta(max_length=300)]
Text = Annotated[str, Meta(max_length=20_000)]

INPUT_TOPICS: Mapping[str, Callable[[Any], str]] = {
    "web_logs": lambda event: event.visitor_id,
    "orders": lambda event: event.customer_id or event.order_id,
    "customers": lambda event: event.customer_id,
    "social_media": lambda event: event.author,
    "weather_data": lambda event: event.station,
    "customer_feedback": lambda event: event.customer_id or event.feedback_id,
}
"""The topics that events may be posted to, and how the key of each follows from its event."""


class Rejected(Exception):  # noqa: N818  a verdict on the request, not a failure
    """The request is not accepted; `reason` is sent to the caller."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = dict(headers or {})


class Submission(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a program posts as feedback: a rating, a text, or both."""

    rating: Rating | None = None
    title: Title | None = None
    text: Text | None = None
    customer_id: Name | None = None
    subject: Name | None = None
    product_id: Name | None = None
    channel: Name = "api"
    event_time: UtcTime | None = None


class Record(Struct, frozen=True):
    """An event that is fit to be sent."""

    topic: str
    key: bytes
    event: Event

    @property
    def value(self) -> bytes:
        """The record's value. Raises `InvalidRecord` where a reader would refuse it."""
        value = encode_event(self.event)
        check_size(self.key, value)
        return value


def idempotency_key(given: str) -> str:
    """The key as it was given, if it is one. It becomes the event's id."""
    if not _KEY.fullmatch(given):
        raise Rejected(400, f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} visible ASCII characters.")
    return given


def is_form_key(given: str) -> bool:
    """Whether it is a key as the form page makes them: at random, so that nobody takes one that a program will use."""
    return _FORM_KEY.fullmatch(given) is not None


def customer_token(key: bytes, customer_id: str) -> str:
    """What proves that a link is the shop's: HMAC-SHA-256 of `customer NUMBER` by the API's token, as hexadecimal."""
    return hmac.digest(key, f"customer {customer_id}".encode(errors="surrogatepass"), "sha256").hex()


def check_depth(body: bytes) -> None:
    """Refuse JSON that is nested too deeply, before anything decodes it."""
    if is_too_deep(body):
        raise Rejected(400, f"The JSON is nested more than {MAX_DEPTH} levels deep.")


def feedback(body: bytes, key: str, now: datetime) -> Record:
    """Feedback from a program."""
    check_depth(body)
    try:
        given = msgspec.json.decode(body, type=Submission)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(422 if isinstance(error, msgspec.ValidationError) else 400, _reason(error)) from None
    return _feedback(given, key, now)


def form(body: bytes, now: datetime) -> tuple[Record, dict[str, str]]:
    """Feedback from the form page, with the fields as they were filled in."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS, errors="strict")
    except ValueError:
        raise Rejected(400, "The form could not be read.") from None
    fields = {name: value.replace("\r\n", "\n").strip() for name, value in pairs}
    if not is_form_key(key := fields.get("key", "")):
        raise Rejected(400, "The form was not that of this page. Send it again.")
    rating = fields.get("rating", "")
    if rating and rating not in "12345":
        raise Rejected(422, "Choose one to five stars.")
    try:
        given = msgspec.convert(
            {
                "rating": int(rating) if rating else None,
                "text": fields.get("text") or None,
                "customer_id": fields.get("customer_id") or None,
                "subject": fields.get("subject") or None,
                "product_id": fields.get("product_id") or None,
                "channel": "form",
            },
            Submission,
        )
    except msgspec.ValidationError as error:
        raise Rejected(422, _reason(error)) from None
    return _feedback(given, key, now), fields


def event(topic: str, body: bytes) -> Record:
    """An event of any input topic, as its contract has it."""
    contract = TOPICS[topic].contract if topic in INPUT_TOPICS else None
    if contract is None:
        raise Rejected(404, f"Events can be posted to {', '.join(INPUT_TOPICS)}.")
    check_depth(body)
    try:
        decoded = decode(contract, body)
    except InvalidRecord as invalid:
        status = 422 if invalid.category == "invalid field" else 400
        raise Rejected(status, f"The event is not valid: {invalid}.") from None
    return _sound(Record(topic, INPUT_TOPICS[topic](decoded).encode(), decoded))


def _feedback(given: Submission, key: str, now: datetime) -> Record:
    if given.rating is None and not (given.text or "").strip() and not (given.title or "").strip():
        raise Rejected(422, "Give a rating, or a text, or both.")
    submitted = CustomerFeedback(
        event_id=key,
        event_time=given.event_time or now,
        source=SOURCE,
        feedback_id=key,
        channel=given.channel,
        customer_id=given.customer_id,
        rating=given.rating,
        title=given.title,
        text=given.text,
        subject=given.subject,
        product_id=given.product_id,
    )
    return _sound(Record(TOPIC, (given.customer_id or key).encode(errors="surrogatepass"), submitted))


def _sound(record: Record) -> Record:
    try:
        _ = record.value
    except InvalidRecord as invalid:
        raise Rejected(422, f"The event is not valid: {invalid}.") from None
    return record


def scrubbed(record: Record, scrub: Scrub) -> Record:
    """The record with pseudonyms for the e-mail and IP addresses in what a person wrote."""
    event = record.event
    if not isinstance(event, CustomerFeedback) or not (event.text or event.title):
        return record
    written = {"text": event.text and scrub(event.text), "title": event.title and scrub(event.title)}
    return _sound(Record(record.topic, record.key, msgspec.structs.replace(event, **written)))


def content(record: Record) -> bytes:
    """What an event says, whenever it was received: the same key must stand for the same content."""
    event = cast("CustomerFeedback", record.event)
    return record.topic.encode() + msgspec.json.encode(msgspec.structs.replace(event, event_time=_WHENEVER))


_WHENEVER = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


def _reason(error: Exception) -> str:
    """msgspec's words, which name the place and not the value; but of an enumeration."""
    if isinstance(error, RecursionError):
        return "The JSON is nested too deeply."
    if isinstance(error, UnicodeDecodeError):
        return "The body is not UTF-8."
    return f"{str(error)[:200]}."
