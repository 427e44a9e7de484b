-- grain: One row per line of the access log.
-- key: event_id
-- domain: ecommerce
-- description: Requests and tracking-pixel hits, each one once even if it was sent several times.
-- partition: year(event_date), month(event_date)
-- materialized: incremental_append
-- event_time: event_time
-- row_check status is an HTTP status: status between 100 and 599
-- row_check not from the future: event_time - interval 1 day <= received_at
-- row_check quantity is within bounds: quantity between -100000000 and 100000000
-- anomaly_check: event_date
-- column event_id: The same when sent again: derived from the line's position and content.
-- column event_time: When the request was made.
-- column event_date: Day of the request, in UTC.
-- column visitor_id: Tracking id of the visitor, or a hash of client and agent without one.
-- column client_id: Pseudonym of the client's address.
-- column browser_id: The same for all requests, pixel hits included, of one address and user agent.
-- column user_id: Pseudonym of the authenticated user, where there was one.
-- column method: HTTP method; empty for a request that is not HTTP.
-- column path: Path of the request, without the query.
-- column query: Query string, without the question mark.
-- column status: HTTP status code.
-- column bytes: Size of the answer's body; empty where the log says `-`.
-- column referrer: Referring page.
-- column user_agent: The client's User-Agent header.
-- column device: Kind of device, from the user agent.
-- column is_bot: Whether the user agent calls itself a crawler, monitor or script.
-- column pixel_event: What the tracking pixel reported; empty for ordinary lines.
-- column session_id: Session id of the tracking pixel.
-- column customer_id: Customer id of the tracking pixel, when logged in.
-- column sku: Product of a cart event.
-- column quantity: Quantity of a cart event.
-- column unit_price: Price of one unit in a cart event.
-- column currency: ISO 4217 code of unit_price and order_total.
-- column order_id: Order of a purchase event.
-- column order_total: Total of a purchase event.
-- column country: Country the shop gave in a purchase event.
-- column source: The source that sent it.
-- column received_at: When Kafka took it.
select
    event_id,
    event_time,
    event_time::date as event_date,
    visitor_id,
    client_id,
    left(sha256(concat(client_id, chr(1), user_agent)), 16) as browser_id,
    "user" as user_id,
    method,
    path,
    query,
    status,
    bytes,
    referrer,
    user_agent,
    device,
    is_bot,
    pixel_event,
    session_id,
    customer_id,
    sku,
    quantity,
    unit_price,
    currency,
    order_id,
    order_total,
    country,
    source,
    _kafka_time as received_at
from raw.web_logs
where not _is_tombstone
{{ first_landed() }}
