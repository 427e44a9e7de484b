-- grain: One row per month, country of residence and currency.
-- key: sale_month, country_of_residence, currency
-- domain: ecommerce
-- description: Sales by country of residence at the time of the order, not today's. Guests are left out.
-- materialized: incremental_by_group
-- group_by: sale_month
-- input core.customer_orders affects: date_trunc('month', order_date)::date
-- column sale_month: The month, by its first day.
-- column country_of_residence: Country of residence at that time; `Unspecified` where the customer was not known yet.
-- column currency: ISO 4217 code of the amounts.
-- column customers: Customers who ordered.
-- column new_customers: Those who ordered for the first time.
-- column orders: Orders placed.
-- column returns: Returns made.
-- column gross_revenue: Revenue of the orders alone, exact.
-- column revenue: Orders and returns together, exact.
select
    date_trunc('month', order_date)::date as sale_month,
    country_of_residence,
    currency,
    count(distinct customer_id) filter (where kind = 'order') as customers,
    count(*) filter (where order_number = 1) as new_customers,
    count(*) filter (where kind = 'order') as orders,
    count(*) filter (where kind = 'return') as returns,
    coalesce(sum(revenue) filter (where kind = 'order'), 0)::decimal(38, 4) as gross_revenue,
    sum(revenue)::decimal(38, 4) as revenue
from core.customer_orders
group by all
