-- One row per day and kind of device.
-- key: session_date, device
-- case: ecommerce
-- description: How many visits get how far, from looking to buying. Bots are left out.
-- scope: session_date
-- input core.web_sessions: session_date
-- column session_date: Day the visits began, in UTC.
-- column device: Kind of device.
-- column sessions: Visits.
-- column sessions_with_cart: Visits in which something was put into the cart.
-- column sessions_with_purchase: Visits in which an order was placed.
-- column conversion_pct: Visits with an order, percent of all.
-- column abandonment_pct: Visits that filled a cart and did not order, percent of those that filled one; empty without.
-- column page_views: Pages seen.
-- column mean_duration_s: Mean seconds from the first request to the last.
select
    session_date,
    device,
    count(*) as sessions,
    count(*) filter (where carts > 0) as sessions_with_cart,
    count(*) filter (where purchases > 0) as sessions_with_purchase,
    (100 * count(*) filter (where purchases > 0) / count(*))::decimal(5, 2) as conversion_pct,
    (100 * count(*) filter (where carts > 0 and purchases = 0) / nullif(count(*) filter (where carts > 0), 0))
        ::decimal(5, 2) as abandonment_pct,
    sum(page_views)::bigint as page_views,
    (sum(duration_s) / count(*))::decimal(18, 1) as mean_duration_s
from core.web_sessions
where not is_bot
group by session_date, device
