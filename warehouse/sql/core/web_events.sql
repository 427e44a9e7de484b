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
-- column visitor_id: {{ about("web_logs.visitor_id") }}
-- column client_id: {{ about("web_logs.client_id") }}
-- column browser_id: The same for all requests, pixel hits included, of one address and user agent.
-- column user_id: Pseudonym of the authenticated user, where there was one.
-- column method: {{ about("web_logs.method") }}
-- column path: {{ about("web_logs.path") }}
-- column query: {{ about("web_logs.query") }}
-- column status: {{ about("web_logs.status") }}
-- column bytes: {{ about("web_logs.bytes") }}
-- column referrer: {{ about("web_logs.referrer") }}
-- column user_agent: {{ about("web_logs.user_agent") }}
-- column device: {{ about("web_logs.device") }}
-- column is_bot: {{ about("web_logs.is_bot") }}
-- column pixel_event: {{ about("web_logs.pixel_event") }}
-- column session_id: {{ about("web_logs.session_id") }}
-- column customer_id: {{ about("web_logs.customer_id") }}
-- column sku: {{ about("web_logs.sku") }}
-- column quantity: {{ about("web_logs.quantity") }}
-- column unit_price: {{ about("web_logs.unit_price") }}
-- column currency: {{ about("web_logs.currency") }}
-- column order_id: {{ about("web_logs.order_id") }}
-- column order_total: {{ about("web_logs.order_total") }}
-- column country: {{ about("web_logs.country") }}
-- column source: {{ about("web_logs.source") }}
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
