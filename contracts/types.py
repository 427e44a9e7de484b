"""The value types that events are made of, and the fields that every event carries.

A contract is a `msgspec.Struct`: its annotations are the one declaration from which the strict decoder, the landing
schema, the raw tables and the reference page are derived. The wire form is UTF-8 JSON (RFC 8259).
"""

from datetime import datetime
from hashlib import blake2b
from typing import Annotated

from msgspec import Meta, Struct

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
MONEY_DIGITS, SUM_DIGITS, MONEY_SCALE = 18, 38, 4


def money_pattern(digits: int) -> str:
    """The regular expression of an amount of so many digits, those after the point included, without anchors."""
    return rf"-?[0-9]{{1,{digits - MONEY_SCALE}}}(\.[0-9]{{1,{MONEY_SCALE}}})?"


MONEY_PATTERN = money_pattern(MONEY_DIGITS)
MAX_QUANTITY = 100_000_000
"""With it, quantity times price is below 10^22, so that the column of a sum, `decimal(38, 4)`, holds 10^12 of them."""

Money = Annotated[str, Meta(pattern=rf"^{MONEY_PATTERN}\Z", extra={"kind": "money", "digits": MONEY_DIGITS})]
"""An amount as a decimal string, such as `"2.55"`: 14 digits before the point and 4 after it at most, never a float."""

MoneySum = Annotated[
    str,
    Meta(pattern=rf"^{money_pattern(SUM_DIGITS)}\Z", extra={"kind": "money", "digits": SUM_DIGITS}),
]
"""A sum of amounts, as a decimal string: 34 digits before the point and 4 after it at most."""

Quantity = Annotated[int, Meta(ge=-MAX_QUANTITY, le=MAX_QUANTITY)]
"""A number of units of a product, negative when they come back."""

UtcTime = Annotated[datetime, Meta(tz=True)]
"""An RFC 3339 timestamp in UTC, microseconds at the finest, years 1000 to 2999."""

Integer = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]
"""A whole number that fits 64 bits."""

Count = Annotated[int, Meta(ge=0, le=INT64_MAX)]
"""A whole number, zero or more."""

MAX_ID_LENGTH = 256
"""Characters of an id. Ids are keys of records, state and indexes; PostgreSQL indexes at most 2,704 bytes a row."""
MAX_PLATFORM_LENGTH = 63
MAX_POST_ID_LENGTH = MAX_ID_LENGTH - MAX_PLATFORM_LENGTH - 1

Identifier = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH)]
"""A non-empty string of at most 256 characters that names something."""

Reference = Annotated[str, Meta(max_length=MAX_ID_LENGTH)]
"""A string of at most 256 characters that names something; for optional fields."""

CustomerId = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH, extra={"kind": "customer"})]
"""An `Identifier` of a customer; a word for nothing, such as `nan` or `NULL` (`contracts.missing`), is none."""

Buyer = Annotated[str, Meta(max_length=MAX_ID_LENGTH, extra={"kind": "customer"})]
"""A `Reference` to a customer; a word for nothing (`contracts.missing`) is read as null: a guest."""

Platform = Annotated[str, Meta(min_length=1, max_length=MAX_PLATFORM_LENGTH)]
"""An `Identifier` that is followed by a post's id in `subject_id`."""

PostId = Annotated[str, Meta(min_length=1, max_length=MAX_POST_ID_LENGTH)]
"""An `Identifier` that fits into a `subject_id` behind its platform."""

Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
"""A number between 0 and 1."""


def about(description: str) -> Meta:
    """The description of a field, shown in the reference page and as comment on the warehouse's columns."""
    return Meta(description=description)


def derived_id(prefix: str, identity: str) -> str:
    """The id of an event that is made from another one: an `Identifier`, stable, and unique where the other id is.

    `prefix` has at most 32 characters.
    """
    readable = f"{prefix}-{identity}"
    if len(readable) <= MAX_ID_LENGTH:
        return readable
    return f"{prefix}-{blake2b(identity.encode(errors='surrogatepass'), digest_size=32).hexdigest()}"


class Event(Struct, kw_only=True, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What every event carries.

    Unknown fields are forbidden here so that the strict decoder notices them: it reads them, and leaves them out.
    """

    event_id: Annotated[Identifier, about("Stable under re-sending: derived from the source's own position or id.")]
    event_time: Annotated[UtcTime, about("When it happened, by the source's account.")]
    source: Annotated[Identifier, about("The source that sent it, such as `access-log` or `simulator`.")]
