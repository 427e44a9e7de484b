-- grain: One row per day, traffic source and kind of device.
-- key: session_date, traffic_source, device
-- domain: ecommerce
-- description: How many visits reach each step from viewing to buying, and the orders extracted from them. Bots are left
--     out. Unverified purchases and orders in a minority currency are counted separately.
-- materialized: incremental_by_group
-- group_by: session_date
-- input core.web_sessions affects: session_date
-- input core.web_orders affects: order_date
-- column session_date: Day of the visits, in UTC.
-- column traffic_source: What led to the visit: `direct`, `search`, `social`, `email`, `internal` or `referral`;
--     `unknown` for orders without a known visit.
-- column device: Kind of device.
-- column sessions: Visits.
-- column sessions_with_cart: Visits in which something was put into the cart.
-- column sessions_with_purchase: Visits in which an order was placed.
-- column conversion_pct: Visits with an order, percent of all; empty without visits.
-- column abandonment_pct: Visits that filled a cart and did not order, percent of those that filled one; empty without.
-- column page_views: Pages seen.
-- column mean_duration_s: Mean seconds from the first request to the last; empty without visits.
-- column orders: Orders extracted from the visits' pixel hits, unverified ones left out.
-- column flagged_orders: Those among them whose lines do not add up, or whose time is ahead of their arrival.
-- column unverified_orders: Purchases without the signature of a shop that signs.
-- column revenue: Sum of the orders that are in `currency`, exact.
-- column currency: ISO 4217 code in which most of the orders are; empty without an order.
-- column orders_in_other_currencies: Orders that `revenue` leaves out.
with visits as (
    select
        session_date,
        traffic_source,
        device,
        count(*) as sessions,
        count(*) filter (where add_to_cart_events > 0) as sessions_with_cart,
        count(*) filter (where purchases > 0) as sessions_with_purchase,
        count(*) filter (where add_to_cart_events > 0 and purchases = 0) as abandoned,
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
        partition by orders.event_id, orders.ordered_at
        order by sessions.started_at desc, sessions.browser_id, sessions.session_key
    ) = 1
),
currencies as (
    select order_date, traffic_source, device, currency as main_currency
    from placed
    where not is_unverified
    group by order_date, traffic_source, device, currency
    qualify row_number() over (
        partition by order_date, traffic_source, device order by count(*) desc, sum(revenue) desc, currency
    ) = 1
),
bought as (
    select
        order_date as session_date,
        traffic_source,
        device,
        count(*) filter (where not is_unverified) as orders,
        count(quality_flag) filter (where not is_unverified) as flagged_orders,
        count(*) filter (where is_unverified) as unverified_orders,
        sum(revenue) filter (where not is_unverified and currency = main_currency)::decimal(38, 4) as revenue,
        any_value(main_currency) as currency,
        count(*) filter (where not is_unverified and currency <> main_currency) as orders_in_other_currencies
    from placed
    left join currencies using (order_date, traffic_source, device)
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
    coalesce(unverified_orders, 0) as unverified_orders,
    revenue,
    currency,
    coalesce(orders_in_other_currencies, 0) as orders_in_other_currencies
from visits
full join bought using (session_date, traffic_source, device)
