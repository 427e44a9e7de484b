"""Events of the e-commerce domain: web logs, orders, customers, and the scores of the behavior model."""

from typing import Annotated, Literal

from msgspec import Struct

from headrace.contracts.types import (
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
    """One parsed access-log line; the tracking-pixel fields are set if the line is a hit on the pixel."""

    visitor_id: Annotated[
        Identifier, about("Tracking id of the visitor; without one, a hash of client and user agent.")
    ]
    client_id: Annotated[Identifier, about("Pseudonym of the client's address (keyed hash).")]
    user: Annotated[str | None, about("Pseudonym of the authenticated user, if any.")] = None
    method: Annotated[str | None, about("HTTP method; empty for a request that is not HTTP.")] = None
    path: Annotated[str | None, about("Path of the request, without the query.")] = None
    query: Annotated[str | None, about("Query string, without the question mark.")] = None
    protocol: Annotated[str | None, about("Such as `HTTP/1.1`.")] = None
    raw_request: Annotated[str | None, about("The request line, only if it is not `method target protocol`.")] = None
    status: Annotated[Integer, about("HTTP status code.")]
    bytes: Annotated[Count | None, about("Size of the response body; empty if the log has `-`.")] = None
    referrer: Annotated[str | None, about("Referring page; empty if the log has `-`.")] = None
    user_agent: Annotated[str | None, about("The client's User-Agent header.")] = None
    device: Annotated[
        Literal["desktop", "mobile", "tablet", "bot", "other"], about("Kind of device, from the user agent.")
    ]
    is_bot: Annotated[bool, about("Whether the user agent identifies itself as a crawler, monitor or script.")]
    pixel_event: Annotated[
        Literal["page_view", "add_to_cart", "remove_from_cart", "purchase"] | None,
        about("Event reported by the tracking pixel; empty for other lines."),
    ] = None
    session_id: Annotated[Reference | None, about("Session id reported by the tracking pixel.")] = None
    customer_id: Annotated[Buyer | None, about("Customer id reported by the tracking pixel, if logged in.")] = None
    sku: Annotated[Reference | None, about("Product of a cart event.")] = None
    quantity: Annotated[Quantity | None, about("Quantity of a cart event.")] = None
    unit_price: Annotated[Money | None, about("Price of one unit in a cart event.")] = None
    currency: Annotated[Reference | None, about("ISO 4217 code of `unit_price` and `order_total`.")] = None
    order_id: Annotated[Reference | None, about("Order of a purchase event.")] = None
    order_total: Annotated[Money | None, about("Total of a purchase event.")] = None
    country: Annotated[Reference | None, about("Country reported in a purchase event.")] = None
    verified: Annotated[
        bool | None, about("Whether a purchase event has the shop's signature; empty if the shop has no key.")
    ] = None


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


class Customer(Event, kw_only=True, frozen=True):
    """A customer row as of `event_time`. The topic is compacted: the latest row per customer is kept."""

    customer_id: Annotated[CustomerId, about("The shop's customer id.")]
    country: Annotated[Reference | None, about("Country of residence.")] = None
    registered_at: Annotated[UtcTime | None, about("When the account was opened, or the first order was placed.")] = (
        None
    )
    deleted: Annotated[bool, about("Whether the account is closed; a tombstone follows.")] = False


class CustomerBehavior(Event, kw_only=True, frozen=True):
    """The behavior model's scores for one customer, with the features used. Compacted by customer."""

    customer_id: Annotated[Identifier, about("The shop's customer id.")]
    feature_cutoff: Annotated[UtcTime, about("Features use only events before this time.")]
    orders: Annotated[Count, about("Orders placed, excluding returns.")]
    returns: Annotated[Count, about("Returns made.")]
    monetary_value: Annotated[MoneySum, about("Revenue so far in `currency`, net of returns.")]
    currency: Annotated[Reference | None, about("ISO 4217 code of most orders and returns, and of the amounts.")] = None
    orders_in_other_currencies: Annotated[
        Count | None, about("Orders and returns in other currencies, not included in the amounts.")
    ] = None
    recency_days: Annotated[float | None, about("Days from the last order to the cutoff.")] = None
    tenure_days: Annotated[float | None, about("Days from the first order to the cutoff.")] = None
    mean_gap_days: Annotated[float | None, about("Mean days between orders; empty before the second order.")] = None
    mean_basket_lines: Annotated[float | None, about("Mean number of lines per order.")] = None
    order_days: Annotated[Count | None, about("Days (UTC) with an order.")] = None
    last_gap_days: Annotated[Count | None, about("Whole days between the last two order days.")] = None
    median_gap_days: Annotated[float | None, about("Median of the whole days between consecutive order days.")] = None
    longest_gap_days: Annotated[Count | None, about("Longest gap between consecutive order days, in whole days.")] = (
        None
    )
    repurchase_probability: Annotated[Probability, about("Probability of another order within 30 days.")]
    expected_spend: Annotated[
        MoneySum | None, about("Expected revenue in the 90 days after the cutoff, net of returns; trained models only.")
    ] = None
    segment: Annotated[Identifier, about("Named segment.")]
    model_version: Annotated[Identifier, about("Version of the model, or `rfm-rule`.")]
    scored_at: Annotated[UtcTime, about("When the customer was scored.")]
