"""Hits on the shop's tracking pixel: `GET /px?e=add_to_cart&sid=…&uid=…&sku=85123A&qty=6&price=2.55&cur=GBP`."""

import re
from typing import Literal, cast
from urllib.parse import parse_qsl

from msgspec import Struct

from headrace.contracts.currencies import CURRENCIES
from headrace.contracts.missing import named
from headrace.contracts.types import MAX_ID_LENGTH, MAX_QUANTITY, MONEY_PATTERN

PIXEL_PATH = "/px"
MAX_PARAMETERS = 64

PixelEvent = Literal["page_view", "add_to_cart", "remove_from_cart", "purchase"]

_REQUIRED: dict[str, tuple[str, ...]] = {
    "page_view": (),
    "add_to_cart": ("sku", "qty", "price"),
    "remove_from_cart": ("sku", "qty"),
    "purchase": ("order", "total"),
}
_BOUNDED = ("sid", "uid", "sku", "order", "country")
_MONEY = re.compile(MONEY_PATTERN)
_QUANTITY = re.compile("[0-9]{1,19}")


class InvalidHit(Exception):  # noqa: N818  a verdict on the hit, not a failure
    """The hit reports impossible values; the message names them."""


class PixelHit(Struct, frozen=True, gc=False):
    """The values that a hit reports, by the names of the contract's fields."""

    pixel_event: PixelEvent
    session_id: str | None
    customer_id: str | None
    sku: str | None
    quantity: int | None
    unit_price: str | None
    currency: str | None
    order_id: str | None
    order_total: str | None
    country: str | None


def parse_hit(query: str) -> PixelHit:
    """Read the query string of a hit. Of a repeated parameter the last value counts; an empty one is absent.

    Raises:
        InvalidHit: unknown event, missing or overlong parameter, or an invalid number.
    """
    given = parameters(query)
    event = given.get("e", "")
    if event not in _REQUIRED:
        raise InvalidHit("pixel hit with an unknown event" if event else "pixel hit without an event")
    if missing := [name for name in _REQUIRED[event] if name not in given]:
        raise InvalidHit(f"pixel hit {event} without {', '.join(missing)}")
    if too_long := [name for name in _BOUNDED if len(given.get(name, "")) > MAX_ID_LENGTH]:
        raise InvalidHit(f"pixel hit with {', '.join(too_long)} of more than {MAX_ID_LENGTH} characters")
    return PixelHit(
        pixel_event=cast("PixelEvent", event),
        session_id=given.get("sid"),
        customer_id=named(given.get("uid")),
        sku=given.get("sku"),
        quantity=_quantity(given.get("qty")),
        unit_price=_amount("price", given.get("price")),
        currency=_currency(given.get("cur")),
        order_id=given.get("order"),
        order_total=_amount("total", given.get("total")),
        country=given.get("country"),
    )


def parameters(query: str) -> dict[str, str]:
    """The decoded parameters of a query string. Of a repeated one the last value counts; an empty one is absent.

    Raises:
        InvalidHit: not UTF-8, a NUL character, or too many parameters.
    """
    if "%" not in query and "+" not in query:
        parts = (part.partition("=") for part in query.split("&"))
        return {name: value for name, _, value in parts if value}
    try:
        pairs = parse_qsl(query, encoding="utf-8", errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError:
        raise InvalidHit("pixel hit that is not UTF-8") from None
    except ValueError:
        raise InvalidHit(f"pixel hit with more than {MAX_PARAMETERS} parameters") from None
    if any("\0" in value for _, value in pairs):
        raise InvalidHit("pixel hit with a NUL character")
    return dict(pairs)


def _quantity(text: str | None) -> int | None:
    if text is None:
        return None
    if not _QUANTITY.fullmatch(text) or not 0 < (quantity := int(text)) <= MAX_QUANTITY:
        raise InvalidHit(f"pixel hit with a qty that is not a whole number from 1 to {MAX_QUANTITY}")
    return quantity


def _amount(name: str, text: str | None) -> str | None:
    if text is None:
        return None
    if text.startswith("-") or not _MONEY.fullmatch(text):
        raise InvalidHit(f"pixel hit with a {name} that is not an amount of at most 4 decimals")
    return text


def _currency(text: str | None) -> str | None:
    if text is not None and text not in CURRENCIES:
        raise InvalidHit("pixel hit with a cur that is not an ISO 4217 code")
    return text
