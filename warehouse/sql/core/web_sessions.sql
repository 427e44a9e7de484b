-- One row per visit of a visitor to the shop.
-- key: visitor_id, session_key
-- case: ecommerce
-- description: By the pixel's session id where a visit has one; else a visit ends with 30 minutes without a request.
-- partition: year(session_date), month(session_date)
-- scope: visitor_id
-- input core.web_events: visitor_id
-- column visitor_id: The visitor.
-- column session_key: Session id of the tracking pixel, or the start of the visit as `@` and seconds since 1970.
-- column session_id: Session id of the tracking pixel; empty where the visit had none.
-- column customer_id: The customer, where the visitor was logged in.
-- column device: Kind of device, of the first request.
-- column is_bot: Whether any request of the visit was a bot's.
-- column started_at: First request.
-- column ended_at: Last request.
-- column duration_s: Seconds from the first request to the last.
-- column session_date: Day of the first request, in UTC.
-- column requests: Log lines of the visit, pixel hits included.
-- column page_views: Ordinary log lines, and page views that the pixel reported.
-- column carts: Times something was put into the cart.
-- column removals: Times something was taken out of the cart.
-- column purchases: Orders placed.
-- column landing_path: First page.
-- column referrer: Page that led to the first page.
with gaps as (
    select
        *,
        coalesce(
            event_time > lag(event_time) over (partition by visitor_id order by event_time, event_id)
                + interval 30 minutes,
            true
        ) as starts_visit
    from core.web_events
),
numbered as (
    select
        *,
        count(*) filter (where starts_visit) over (
            partition by visitor_id order by event_time, event_id rows unbounded preceding
        ) as visit
    from gaps
),
-- A log line carries no session id: it is in the session of the pixel hit before it, or else of the one after it.
keyed as (
    select
        *,
        coalesce(
            last_value(session_id ignore nulls) over (
                partition by visitor_id, visit order by event_time, event_id rows unbounded preceding
            ),
            first_value(session_id ignore nulls) over (
                partition by visitor_id, visit order by event_time, event_id
                rows between current row and unbounded following
            ),
            '@' || epoch(min(event_time) over (partition by visitor_id, visit))::bigint
        ) as session_key
    from numbered
)
select
    visitor_id,
    session_key,
    min(session_id) as session_id,
    last(customer_id order by event_time, event_id) filter (where customer_id is not null) as customer_id,
    first(device order by event_time, event_id) as device,
    bool_or(is_bot) as is_bot,
    min(event_time) as started_at,
    max(event_time) as ended_at,
    date_diff('second', min(event_time), max(event_time)) as duration_s,
    min(event_time)::date as session_date,
    count(*) as requests,
    count(*) filter (where pixel_event is null or pixel_event = 'page_view') as page_views,
    count(*) filter (where pixel_event = 'add_to_cart') as carts,
    count(*) filter (where pixel_event = 'remove_from_cart') as removals,
    count(distinct coalesce(order_id, event_id)) filter (where pixel_event = 'purchase') as purchases,
    first(path order by event_time, event_id) as landing_path,
    first(referrer order by event_time, event_id) as referrer
from keyed
group by visitor_id, session_key
