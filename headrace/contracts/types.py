"""The value types of events, and the fields that all events have.

A contract is a `msgspec.Struct`. The strict decoder, the landing schema, the raw tables and the reference page are
derived from its annotations. The wire format is UTF-8 JSON (RFC 8259).
"""

from datetime import datetime
from hashlib import blake2b
from typing import Annotated

from msgspec import Meta, Struct

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
MONEY_DIGITS, SUM_DIGITS, MONEY_SCALE = 18, 38, 4


def money_pattern(digits: int) -> str:
    """The regular expression of an amount with up to `digits` digits (including decimals), without anchors."""
    return rf"-?[0-9]{{1,{digits - MONEY_SCALE}}}(\.[0-9]{{1,{MONEY_SCALE}}})?"


MONEY_PATTERN = money_pattern(MONEY_DIGITS)
MAX_QUANTITY = 100_000_000
"""With this limit, quantity times price is below 10^22, so a `decimal(38, 4)` column can sum 10^12 of them."""

Money = Annotated[str, Meta(pattern=rf"^{MONEY_PATTERN}\Z", extra={"kind": "money", "digits": MONEY_DIGITS})]
"""An amount as a decimal string, such as `"2.55"`: at most 14 digits before the point and 4 after it; never a float."""

MoneySum = Annotated[
    str,
    Meta(pattern=rf"^{money_pattern(SUM_DIGITS)}\Z", extra={"kind": "money", "digits": SUM_DIGITS}),
]
"""A sum of amounts as a decimal string: at most 34 digits before the point and 4 after it."""

Quantity = Annotated[int, Meta(ge=-MAX_QUANTITY, le=MAX_QUANTITY)]
"""A number of units of a product, negative for returns."""

UtcTime = Annotated[datetime, Meta(tz=True)]
"""An RFC 3339 timestamp in UTC, with at most microsecond precision, years 1000 to 2999."""

Integer = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]
"""A 64-bit integer."""

Count = Annotated[int, Meta(ge=0, le=INT64_MAX)]
"""A non-negative integer."""

MAX_ID_LENGTH = 256
"""Maximum length of an id. Ids are keys of records, state and indexes; PostgreSQL indexes at most 2,704 bytes."""
MAX_PLATFORM_LENGTH = 63
MAX_POST_ID_LENGTH = MAX_ID_LENGTH - MAX_PLATFORM_LENGTH - 1

Identifier = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH)]
"""A non-empty string of at most 256 characters that names something."""

Reference = Annotated[str, Meta(max_length=MAX_ID_LENGTH)]
"""A string of at most 256 characters that names something; for optional fields."""

CustomerId = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH, extra={"kind": "customer"})]
"""An `Identifier` of a customer; words for a missing id, as `nan` or `NULL` (`contracts/missing.py`), are invalid."""

Buyer = Annotated[str, Meta(max_length=MAX_ID_LENGTH, extra={"kind": "customer"})]
"""A `Reference` to a customer; words for a missing id (`headrace.contracts.missing`) are read as null: a guest."""

Platform = Annotated[str, Meta(min_length=1, max_length=MAX_PLATFORM_LENGTH)]
"""An `Identifier` that is followed by a post's id in `subject_id`."""

PostId = Annotated[str, Meta(min_length=1, max_length=MAX_POST_ID_LENGTH)]
"""An `Identifier` that fits into a `subject_id` behind its platform."""

Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
"""A number between 0 and 1."""


def about(description: str) -> Meta:
    """The description of a field, shown on the reference page and as a comment on the warehouse's columns."""
    return Meta(description=description)


def derived_id(prefix: str, identity: str) -> str:
    """The id of an event that is derived from another: an `Identifier`, stable, and unique if the other id is.

    `prefix` has at most 32 characters.
    """
    readable = f"{prefix}-{identity}"
    if len(readable) <= MAX_ID_LENGTH:
        return readable
    return f"{prefix}-{blake2b(identity.encode(errors='surrogatepass'), digest_size=32).hexdigest()}"


class Event(Struct, kw_only=True, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """The fields that all events have.

    Unknown fields are forbidden here so that the strict decoder detects them; it then removes them.
    """

    event_id: Annotated[Identifier, about("Stable when sent again: derived from the source's position or id.")]
    event_time: Annotated[UtcTime, about("When it happened, as reported by the source.")]
    source: Annotated[Identifier, about("The source that sent it, such as `access-log` or `simulator`.")]
