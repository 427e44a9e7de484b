"""Parsed lines of access logs."""

from typing import Annotated, Literal

from headrace.contracts.topic import event_topic
from headrace.contracts.types import Buyer, Count, Event, Identifier, Integer, Money, Quantity, Reference, about


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


WEB_LOGS = event_topic("web_logs", WebLog, key="session_id, or visitor_id without one", partitions=4, days=7)
