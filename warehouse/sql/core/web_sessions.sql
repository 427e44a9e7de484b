-- grain: One row per visit of a browser to the shop.
-- key: browser_id, session_date, session_key
-- domain: ecommerce
-- description: By the pixel's session id where a visit has one; else a visit ends after 30 minutes without a request.
--     All visits end at midnight, UTC, so that a late event concerns one day.
-- partition: year(session_date), month(session_date)
-- materialized: incremental_by_group
-- group_by: browser_id, session_date
-- input core.web_events affects: browser_id, event_date
-- column browser_id: The same for all requests of one address and user agent.
-- column session_date: Day of the visit, in UTC.
-- column session_key: Session id of the tracking pixel, or the start of the visit as `@` and seconds since 1970.
-- column session_id: Session id of the tracking pixel; empty where the visit had none.
-- column visitor_id: The visitor as the pixel names them; else as the log does.
-- column customer_id: The customer, where the visitor was logged in.
-- column device: Kind of device, of the first request.
-- column is_bot: Whether any request of the visit was a bot's.
-- column started_at: First request.
-- column ended_at: Last request.
-- column duration_s: Seconds from the first request to the last.
-- column requests: Log lines of the visit, pixel hits included.
-- column page_views: Pages that the pixel reported; ordinary log lines where it reported none.
-- column add_to_cart_events: Times something was put into the cart.
-- column remove_from_cart_events: Times something was taken out of the cart.
-- column purchases: Orders placed.
-- column landing_path: First page.
-- column referrer: Page that led to the first page.
-- column traffic_source: By the referrer: `direct`, `search`, `social`, `email`, `internal` (the shop's own pages) or
--     `referral`.
with gaps as (
    select
        *,
        regexp_extract(lower(referrer), '^[a-z]+://([^/:?#]+)', 1) as referring_host,
        coalesce(
            event_time > lag(event_time) over (browser order by event_time, event_id) + interval 30 minutes, true
        ) as starts_visit
    from core.web_events
    window browser as (partition by browser_id, event_date)
),
numbered as (
    select
        *,
        count(*) filter (where starts_visit) over (
            partition by browser_id, event_date order by event_time, event_id rows unbounded preceding
        ) as visit
    from gaps
),
-- A log line has no session id: it belongs to the session of the pixel hit before it, or else of the one after it.
keyed as (
    select
        *,
        coalesce(
            last_value(session_id ignore nulls) over (
                partition by browser_id, event_date, visit order by event_time, event_id rows unbounded preceding
            ),
            first_value(session_id ignore nulls) over (
                partition by browser_id, event_date, visit order by event_time, event_id
                rows between current row and unbounded following
            ),
            '@' || epoch(min(event_time) over (partition by browser_id, event_date, visit))::bigint
        ) as session_key
    from numbered
),
visits as (
    select
        browser_id,
        event_date as session_date,
        session_key,
        min(session_id) as session_id,
        coalesce(max(visitor_id) filter (where pixel_event is not null), min(visitor_id)) as visitor_id,
        last(customer_id order by event_time, event_id) filter (where customer_id is not null) as customer_id,
        first(device order by event_time, event_id) as device,
        bool_or(is_bot) as is_bot,
        min(event_time) as started_at,
        max(event_time) as ended_at,
        date_diff('second', min(event_time), max(event_time)) as duration_s,
        count(*) as requests,
        coalesce(
            nullif(count(*) filter (where pixel_event = 'page_view'), 0), count(*) filter (where pixel_event is null)
        ) as page_views,
        count(*) filter (where pixel_event = 'add_to_cart') as add_to_cart_events,
        count(*) filter (where pixel_event = 'remove_from_cart') as remove_from_cart_events,
        count(distinct coalesce(order_id, event_id)) filter (where pixel_event = 'purchase') as purchases,
        first(path order by event_time, event_id) as landing_path,
        first(referrer order by event_time, event_id) as referrer,
        first(referring_host order by event_time, event_id) as referring_host,
        -- The pixel is called by the shop's own pages.
        min(referring_host) filter (where pixel_event is not null) as own_host
    from keyed
    group by browser_id, event_date, session_key
)
select
    * exclude (referring_host, own_host),
    case
        when coalesce(referring_host, '') = '' then 'direct'
        when referring_host = own_host then 'internal'
        when regexp_matches(referring_host, '(^|\.)(google|bing|duckduckgo|yahoo|ecosia|baidu|yandex|qwant)\.')
            then 'search'
        when regexp_matches(
            referring_host,
            '(^|\.)(facebook|instagram|twitter|x|t|linkedin|pinterest|reddit|tiktok|youtube|bsky)\.(com|co|app)$'
        ) then 'social'
        when regexp_matches(referring_host, '^(news|newsletter|mail|email|webmail|outlook)\.') then 'email'
        else 'referral'
    end as traffic_source
from visits
