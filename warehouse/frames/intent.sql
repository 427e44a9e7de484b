-- One row per visit of a person that reached a third page before any purchase, as of that page.
with in_visits as (
    select
        visits.visitor_id,
        visits.session_key,
        visits.started_at,
        visits.device,
        visits.referrer,
        events.*
            exclude (visitor_id, device, referrer, session_id),
        events.pixel_event is null as is_line
    from core.web_sessions visits
    join core.web_events events
        on events.browser_id = visits.browser_id
        and events.event_date = visits.session_date
        and events.event_time between visits.started_at and visits.ended_at
        and (events.session_id is null or events.session_id = visits.session_key)
    where not visits.is_bot
    -- A line between two sessions of one browser belongs to the session that began last.
    qualify row_number() over (
        partition by visits.browser_id, events.event_id, events.event_time
        order by visits.started_at desc, visits.session_key
    ) = 1
),
-- A page is a line of the log; where a visit is known by the pixel alone, a page view that it reported.
pages as (
    select
        *,
        case when bool_or(is_line) over visit then is_line else coalesce(pixel_event = 'page_view', false) end as is_page
    from in_visits
    window visit as (partition by visitor_id, session_key)
),
numbered as (
    select
        *,
        count(*) filter (where is_page) over (
            partition by visitor_id, session_key order by event_time, event_id rows unbounded preceding
        ) as page
    from pages
),
thirds as (
    select visitor_id, session_key, min(event_time) as cutoff
    from numbered
    where page = 3
    group by visitor_id, session_key
),
priced as (
    select
        *,
        coalesce(
            arg_min(currency, (event_time, event_id)) filter (where pixel_event = 'add_to_cart') over (
                partition by visitor_id, session_key
            ),
            ''
        ) as cart_currency
    from numbered
),
firsts as (
    select
        visitor_id,
        session_key,
        cutoff,
        any_value(started_at) as started_at,
        any_value(device) as device,
        any_value(referrer) as referrer,
        date_diff('millisecond', any_value(started_at), cutoff) / 1000 as seconds_so_far,
        count(distinct path) filter (where is_page) as distinct_pages,
        count(*) filter (where pixel_event = 'add_to_cart') as add_to_cart_events,
        count(*) filter (where pixel_event = 'remove_from_cart') as remove_from_cart_events,
        -- In the currency of the first addition: amounts of different currencies are never added.
        coalesce(
            sum(quantity * unit_price) filter (
                where pixel_event = 'add_to_cart' and coalesce(currency, '') = cart_currency
            ),
            0
        )::double as cart_value,
        count(distinct sku) filter (where pixel_event = 'add_to_cart') as cart_products,
        count(*) filter (where is_page and path like '%product%') as product_pages,
        bool_or(customer_id is not null) as is_known,
        count(*) filter (where pixel_event = 'purchase') as purchases
    from priced
    join thirds using (visitor_id, session_key)
    where event_time <= cutoff
    group by visitor_id, session_key, cutoff
),
-- Earlier visits, as known when this one began.
earlier as (
    select
        firsts.visitor_id,
        firsts.session_key,
        count(*) as earlier_visits,
        sum(before.purchases) as earlier_purchases,
        date_diff('second', max(before.ended_at), any_value(firsts.started_at)) / 86400 as days_since_visit
    from firsts
    join core.web_sessions before
        on before.visitor_id = firsts.visitor_id and before.ended_at < firsts.started_at
    group by firsts.visitor_id, firsts.session_key
),
later as (
    select visitor_id, session_key, bool_or(coalesce(pixel_event = 'purchase', false) and event_time > cutoff) as bought
    from numbered
    join thirds using (visitor_id, session_key)
    group by visitor_id, session_key
)
select
    visitor_id,
    session_key,
    cutoff,
    seconds_so_far,
    distinct_pages,
    product_pages,
    add_to_cart_events,
    cart_products,
    remove_from_cart_events,
    cart_value,
    is_known::integer as is_known,
    coalesce(earlier_visits, 0) as earlier_visits,
    coalesce(earlier_purchases, 0)::double as earlier_purchases,
    days_since_visit,
    extract('hour' from cutoff)::integer as hour,
    extract('isodow' from cutoff)::integer as weekday,
    (device = 'mobile')::integer as is_mobile,
    (referrer is not null)::integer as is_referred,
    bought
from firsts
join later using (visitor_id, session_key)
left join earlier using (visitor_id, session_key)
where purchases = 0
order by cutoff, visitor_id, session_key
