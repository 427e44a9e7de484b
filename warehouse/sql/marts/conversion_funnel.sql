-- One row per day, traffic source and kind of device.
-- key: session_date, traffic_source, device
-- case: ecommerce
-- description: How many visits get how far, from looking to buying, and the orders extracted from them. Bots are left
--     out.
-- scope: session_date
-- input core.web_sessions: session_date
-- input core.web_orders: order_date
-- column session_date: Day of the visits, in UTC.
-- column traffic_source: What led to the visit: `direct`, `search`, `social`, `email`, `internal` or `referral`;
--     `unknown` for orders whose visit is not there.
-- column device: Kind of device.
-- column sessions: Visits.
-- column sessions_with_cart: Visits in which something was put into the cart.
-- column sessions_with_purchase: Visits in which an order was placed.
-- column conversion_pct: Visits with an order, percent of all; empty without visits.
-- column abandonment_pct: Visits that filled a cart and did not order, percent of those that filled one; empty without.
-- column page_views: Pages seen.
-- column mean_duration_s: Mean seconds from the first request to the last; empty without visits.
-- column orders: Orders extracted from the visits' pixel hits.
-- column flagged_orders: Those among them whose lines do not add up.
-- column revenue: What these orders come to, exact; empty where they are in several currencies.
-- column currency: ISO 4217 code of the revenue; empty where there is none or several.
with visits as (
    select
        session_date,
        traffic_source,
        device,
        count(*) as sessions,
        count(*) filter (where carts > 0) as sessions_with_cart,
        count(*) filter (where purchases > 0) as sessions_with_purchase,
        count(*) filter (where carts > 0 and purchases = 0) as abandoned,
        sum(page_views)::bigint as page_views,
        sum(duration_s)::bigint as seconds
    from core.web_sessions
    where not is_bot
    group by all
),
placed as (
    select
        orders.*,
        coalesce(sessions.traffic_source, 'unknown') as traffic_source,
        coalesce(sessions.device, 'other') as device
    from core.web_orders as orders
    left join core.web_sessions as sessions
        on orders.order_date = sessions.session_date
        and orders.session_id = coalesce(sessions.session_id, sessions.visitor_id)
        and orders.ordered_at between sessions.started_at and sessions.ended_at
    qualify row_number() over (
        partition by orders.event_id, orders.ordered_at order by sessions.started_at desc, sessions.browser_id
    ) = 1
),
bought as (
    select
        order_date as session_date,
        traffic_source,
        device,
        count(*) as orders,
        count(flag) as flagged_orders,
        if(count(distinct currency) = 1, sum(revenue), null)::decimal(38, 4) as revenue,
        if(count(distinct currency) = 1, min(currency), null) as currency
    from placed
    group by all
)
select
    session_date,
    traffic_source,
    device,
    coalesce(sessions, 0) as sessions,
    coalesce(sessions_with_cart, 0) as sessions_with_cart,
    coalesce(sessions_with_purchase, 0) as sessions_with_purchase,
    (100 * sessions_with_purchase / sessions)::decimal(5, 2) as conversion_pct,
    (100 * abandoned / nullif(sessions_with_cart, 0))::decimal(5, 2) as abandonment_pct,
    coalesce(page_views, 0) as page_views,
    (seconds / sessions)::decimal(18, 1) as mean_duration_s,
    coalesce(orders, 0) as orders,
    coalesce(flagged_orders, 0) as flagged_orders,
    revenue,
    currency
from visits
full join bought using (session_date, traffic_source, device)
