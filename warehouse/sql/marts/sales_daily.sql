-- grain: One row per day, country, channel and currency in which anything was ordered, returned or adjusted.
-- key: sale_date, country, channel, currency
-- domain: ecommerce
-- description: Sales by day and country. Revenue is net: orders plus the negative amounts of returns and adjustments.
--     Unverified purchases are left out.
-- audit all orders are counted: sum(revenue) is not distinct from
--     (select sum(revenue) from core.orders where kind <> 'unverified')
-- materialized: incremental_by_group
-- group_by: sale_date
-- input core.orders affects: order_date
-- column sale_date: Day the document was made, in UTC.
-- column country: Country of the customer; `Unspecified` where the source names none.
-- column channel: `store` or `web`.
-- column currency: ISO 4217 code of the amounts.
-- column orders: Orders placed.
-- column returns: Returns made.
-- column adjustments: Adjustments booked.
-- column customers: Customers who placed an order; guests are not counted.
-- column units: Units ordered less those returned.
-- column gross_revenue: Revenue of the orders alone, exact.
-- column returned_revenue: Revenue of the returns, negative, exact.
-- column adjusted_revenue: Amount of the adjustments, exact.
-- column revenue: Revenue of orders, returns and adjustments together, exact.
select
    order_date as sale_date,
    country,
    channel,
    currency,
    count(*) filter (where kind = 'order') as orders,
    count(*) filter (where kind = 'return') as returns,
    count(*) filter (where kind = 'adjustment') as adjustments,
    count(distinct customer_id) filter (where kind = 'order') as customers,
    sum(units)::decimal(38, 0) as units,
    coalesce(sum(revenue) filter (where kind = 'order'), 0)::decimal(38, 4) as gross_revenue,
    coalesce(sum(revenue) filter (where kind = 'return'), 0)::decimal(38, 4) as returned_revenue,
    coalesce(sum(revenue) filter (where kind = 'adjustment'), 0)::decimal(38, 4) as adjusted_revenue,
    sum(revenue)::decimal(38, 4) as revenue
from core.orders
where kind <> 'unverified'
group by all
