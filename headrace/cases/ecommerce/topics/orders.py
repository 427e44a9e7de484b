"""Orders, returns and adjustments."""

from typing import Annotated, Literal

from msgspec import Struct

from headrace.contracts.topic import event_topic
from headrace.contracts.types import Buyer, Count, Event, Identifier, Money, Quantity, Reference, about

QualityFlag = Literal["unverified", "ahead of time", "total mismatch", "empty cart"]


class OrderLine(Struct, kw_only=True, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One line of an order; its position in the list is its line number."""

    sku: Annotated[Identifier, about("Product code.")]
    description: Annotated[str | None, about("Product name at the time of the order.")] = None
    quantity: Annotated[Quantity, about("Units; negative on a return.")]
    unit_price: Annotated[Money, about("Price of one unit, in the order's currency.")]


class Order(Event, kw_only=True, frozen=True):
    """An order, return or adjustment with its lines. `event_time` is the time it was placed."""

    order_id: Annotated[Identifier, about("Unique within its channel.")]
    channel: Annotated[Literal["web", "store"], about("`web` from the log, `store` from the order database.")]
    kind: Annotated[Literal["order", "return", "adjustment"], about("Kind of document.")]
    customer_id: Annotated[Buyer | None, about("The customer; empty for guests.")] = None
    currency: Annotated[Identifier, about("ISO 4217 code of the amounts.")]
    country: Annotated[Reference | None, about("Country of the customer.")] = None
    lines: Annotated[list[OrderLine], about("The lines, in the order of the document.")]
    total: Annotated[Money, about("Sum over the lines, as reported by the source.")]
    quality_flag: Annotated[
        QualityFlag | None,
        about(
            "Quality problem of an order made from the web log; the order is published anyway. `unverified`: the shop"
            " signs its purchases, and this one has no valid signature."
        ),
    ] = None
    verified: Annotated[
        bool | None,
        about(
            "Web orders: whether the purchase has the shop's signature; empty if the shop has no key. If it is signed,"
            " its total is the revenue."
        ),
    ] = None
    is_bot: Annotated[
        bool, about("Web orders: whether the user agent identifies itself as a crawler, monitor or script.")
    ] = False
    session_id: Annotated[Reference | None, about("Web orders: the session; without one, the visitor.")] = None
    session_duration_s: Annotated[
        Count | None, about("Web orders: seconds from the session's first hit to the order.")
    ] = None
    session_pages: Annotated[
        Count | None, about("Web orders: pages that the tracking pixel reported before the order.")
    ] = None
    referrer: Annotated[str | None, about("Web orders: referring page of the session's first hit.")] = None


ORDERS = event_topic("orders", Order, key="customer_id, or order_id for guests", partitions=4, days=30)
