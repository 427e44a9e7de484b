-- grain: One row per product, currency and day on which it was sold or returned.
-- key: sku, currency, sale_date
-- domain: ecommerce
-- description: Sales trend of each product: units and revenue of the day, and of the 7 and 28 days that end with it.
-- partition: year(sale_date), month(sale_date)
-- materialized: incremental_by_group
-- group_by: sku, sale_date
-- input core.order_lines affects: sku, order_date for 28 days
-- foreign_key sku: core.products (sku)
-- column sku: Product code.
-- column currency: ISO 4217 code of the amounts.
-- column sale_date: The day, in UTC.
-- column orders: Orders with the product.
-- column units: Units ordered less those returned.
-- column revenue: Revenue of orders, returns and adjustments together, exact.
-- column units_7d: Units of the 7 days that end with this one.
-- column units_previous_7d: Units of the 7 days before those.
-- column units_change_7d_pct: Change against the 7 days before, percent; empty where those are zero or negative.
-- column units_28d: Units of the 28 days that end with this one.
-- column revenue_28d: Revenue of the 28 days that end with this one.
-- column days_since_last_sale: Days since the product was last sold or returned; empty where that is 28 days or more.
with daily as (
    select
        sku,
        currency,
        order_date as sale_date,
        count(distinct order_id) filter (where kind = 'order') as orders,
        sum(quantity)::decimal(38, 0) as units,
        sum(revenue)::decimal(38, 4) as revenue
    from core.order_lines
    where kind <> 'unverified'
    group by all
),
windows as (
    select
        *,
        sum(units) over (product range between interval 6 days preceding and current row)::decimal(38, 0) as units_7d,
        coalesce(
            sum(units) over (product range between interval 13 days preceding and interval 7 days preceding), 0
        )::decimal(38, 0) as units_previous_7d,
        sum(units) over (product range between interval 27 days preceding and current row)::decimal(38, 0) as units_28d,
        sum(revenue) over (product range between interval 27 days preceding and current row)::decimal(38, 4)
            as revenue_28d,
        max(sale_date) over (product range between interval 27 days preceding and interval 1 day preceding)
            as sold_before
    from daily
    window product as (partition by sku, currency order by sale_date)
)
select
    sku,
    currency,
    sale_date,
    orders,
    units,
    revenue,
    units_7d,
    units_previous_7d,
    if(units_previous_7d > 0, 100 * (units_7d::double / units_previous_7d::double - 1), null)::decimal(38, 2)
        as units_change_7d_pct,
    units_28d,
    revenue_28d,
    date_diff('day', sold_before, sale_date) as days_since_last_sale
from windows
