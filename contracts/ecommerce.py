"""Events of the e-commerce case: web logs, orders, customers and what the behaviour model says of them."""

from typing import Annotated, Literal

from msgspec import Struct

from contracts.types import (
    Buyer,
    Count,
    CustomerId,
    Event,
    Identifier,
    Integer,
    Money,
    MoneySum,
    Probability,
    Quantity,
    Reference,
    UtcTime,
    about,
)

QualityFlag = Literal["unverified", "ahead of time", "total mismatch", "empty cart"]


class WebLog(Event, kw_only=True, frozen=True):
    """One parsed access-log line; the tracking-pixel fields are set where the line is a hit on the pixel."""

    visitor_id: Annotated[Identifier, about("Tracking id of the visitor, or a hash of client and agent without one.")]
    client_id: Annotated[Identifier, about("Pseudonym of the client's address (keyed hash).")]
    user: Annotated[str | None, about("Pseudonym of the authenticated user, where there was one.")] = None
    method: Annotated[str | None, about("HTTP method; empty for a request that is not HTTP.")] = None
    path: Annotated[str | None, about("Path of the request, without the query.")] = None
    query: Annotated[str | None, about("Query string, without the question mark.")] = None
    protocol: Annotated[str | None, about("Such as `HTTP/1.1`.")] = None
    raw_request: Annotated[str | None, about("The request line, only where it is not `method target protocol`.")] = None
    status: Annotated[Integer, about("HTTP status code.")]
    bytes: Annotated[Count | None, about("Size of the answer's body; empty where the log says `-`.")] = None
    referrer: Annotated[str | None, about("Referring page; empty where the log says `-`.")] = None
    user_agent: Annotated[str | None, about("The client's User-Agent header.")] = None
    device: Annotated[
        Literal["desktop", "mobile", "tablet", "bot", "other"], about("Kind of device, from the user agent.")
    ]
    is_bot: Annotated[bool, about("Whether the user agent calls itself a crawler, monitor or script.")]
    pixel_event: Annotated[
        Literal["page_view", "add_to_cart", "remove_from_cart", "purchase"] | None,
        about("What the tracking pixel reported; empty for ordinary lines."),
    ] = None
    session_id: Annotated[Reference | None, about("Session id of the tracking pixel.")] = None
    customer_id: Annotated[Buyer | None, about("Customer id of the tracking pixel, when logged in.")] = None
    sku: Annotated[Reference | None, about("Product of a cart event.")] = None
    quantity: Annotated[Quantity | None, about("Quantity of a cart event.")] = None
    unit_price: Annotated[Money | None, about("Price of one unit in a cart event.")] = None
    currency: Annotated[Reference | None, about("ISO 4217 code of `unit_price` and `order_total`.")] = None
    order_id: Annotated[Reference | None, about("Order of a purchase event.")] = None
    order_total: Annotated[Money | None, about("Total of a purchase event.")] = None
    country: Annotated[Reference | None, about("Country the shop gave in a purchase event.")] = None
    verified: Annotated[
        bool | None, about("Whether a purchase event bears the shop's signature; empty where the shop has no key.")
    ] = None


class OrderLine(Struct, kw_only=True, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One line of an order; its place in the list is its line number."""

    sku: Annotated[Identifier, about("Product code.")]
    description: Annotated[str | None, about("Product name at the time of the order.")] = None
    quantity: Annotated[Quantity, about("Units; negative on a return.")]
    unit_price: Annotated[Money, about("Price of one unit, in the order's currency.")]


class Order(Event, kw_only=True, frozen=True):
    """An order, return or adjustment with its lines. `event_time` is when it was placed."""

    order_id: Annotated[Identifier, about("Unique within its channel.")]
    channel: Annotated[Literal["web", "store"], about("`web` from the log, `store` from the order database.")]
    kind: Annotated[Literal["order", "return", "adjustment"], about("What the document is.")]
    customer_id: Annotated[Buyer | None, about("Empty for guests.")] = None
    currency: Annotated[Identifier, about("ISO 4217 code.")]
    country: Annotated[Reference | None, about("Country of the customer.")] = None
    lines: Annotated[list[OrderLine], about("The lines, in the document's own order.")]
    total: Annotated[Money, about("Sum over the lines as the source states it.")]
    quality_flag: Annotated[
        QualityFlag | None,
        about(
            "What is odd about an order made from the web log, which goes out all the same. `unverified`: the shop"
            " signs its purchases, and this one lacks the signature."
        ),
    ] = None
    verified: Annotated[
        bool | None,
        about(
            "Web orders: whether the purchase bears the shop's signature; empty where the shop has no key. Of one that"
            " does, the total is the revenue."
        ),
    ] = None
    is_bot: Annotated[
        bool, about("Web orders: whether the user agent of the purchase calls itself a crawler, monitor or script.")
    ] = False
    session_id: Annotated[Reference | None, about("Web orders: the session, or the visitor without one.")] = None
    session_duration_s: Annotated[
        Count | None, about("Web orders: seconds from the session's first hit to the order.")
    ] = None
    session_pages: Annotated[Count | None, about("Web orders: pages that the tracking pixel reported before.")] = None
    referrer: Annotated[str | None, about("Web orders: referring page of the session's first hit.")] = None


class Customer(Event, kw_only=True, frozen=True):
    """The customer row, as of `event_time`. The topic is compacted: the latest row per customer is kept."""

    customer_id: Annotated[CustomerId, about("The shop's own id.")]
    country: Annotated[Reference | None, about("Country of residence.")] = None
    registered_at: Annotated[UtcTime | None, about("When the account was opened, or the first order was seen.")] = None
    deleted: Annotated[bool, about("The account is closed; a tombstone follows.")] = False


class CustomerBehavior(Event, kw_only=True, frozen=True):
    """What the behaviour model says of one customer, with the features it saw. Compacted by customer."""

    customer_id: Annotated[Identifier, about("The shop's own id.")]
    feature_cutoff: Annotated[UtcTime, about("Features use only what happened before this time.")]
    orders: Annotated[Count, about("Orders placed, returns not counted.")]
    returns: Annotated[Count, about("Returns made.")]
    monetary_value: Annotated[MoneySum, about("Revenue so far in `currency`, returns deducted.")]
    currency: Annotated[
        Reference | None, about("ISO 4217 code of most of the orders and returns, and of the amounts.")
    ] = None
    orders_in_other_currencies: Annotated[Count | None, about("Orders and returns that the amounts leave out.")] = None
    recency_days: Annotated[float | None, about("Days from the last order to the cutoff.")] = None
    tenure_days: Annotated[float | None, about("Days from the first order to the cutoff.")] = None
    mean_gap_days: Annotated[float | None, about("Mean days between orders; empty before the second one.")] = None
    mean_basket_lines: Annotated[float | None, about("Mean number of lines an order.")] = None
    order_days: Annotated[Count | None, about("Days (UTC) with an order.")] = None
    last_gap_days: Annotated[Count | None, about("Whole days between the last two of them.")] = None
    median_gap_days: Annotated[float | None, about("Median of the whole days from one to the next.")] = None
    longest_gap_days: Annotated[Count | None, about("Most whole days from one to the next.")] = None
    repurchase_probability: Annotated[Probability, about("Probability of another order within 30 days.")]
    expected_spend: Annotated[
        MoneySum | None, about("Expected revenue of the 90 days after the cutoff, returns deducted; by trained models.")
    ] = None
    segment: Annotated[Identifier, about("Named segment.")]
    model_version: Annotated[Identifier, about("Version of the model, or `rfm-rule`.")]
    scored_at: Annotated[UtcTime, about("When the score was made.")]
