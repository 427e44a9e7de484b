-- grain: One row per month, currency and product that was sold or returned in it.
-- key: sale_month, currency, sku
-- domain: ecommerce
-- description: Products ranked by monthly revenue, compared with the month before.
-- materialized: incremental_by_group
-- group_by: sale_month
-- input core.order_lines affects: date_trunc('month', order_date)::date for 2 months
-- foreign_key sku: core.products (sku)
-- column sale_month: The month, by its first day.
-- column currency: ISO 4217 code of the amounts.
-- column sku: Product code.
-- column orders: Orders with the product.
-- column customers: Customers who ordered it; guests are not counted.
-- column units_sold: Units ordered.
-- column units_returned: Units returned, a positive number.
-- column revenue: Revenue of orders, returns and adjustments together, exact.
-- column revenue_rank: Place by revenue, 1 the highest; equal revenue shares a place.
-- column revenue_share_pct: Percent of the month's revenue; empty where that is zero or negative, or where returns of
--     other products leave so little of it that the percent has more than 14 digits.
-- column previous_revenue: Revenue of the month before; empty without any.
-- column previous_rank: Place in the month before; empty without any sale.
-- column rank_change: Places gained since, negative when lost.
with monthly as (
    select
        date_trunc('month', order_date)::date as sale_month,
        currency,
        sku,
        count(distinct order_id) filter (where kind = 'order') as orders,
        count(distinct customer_id) filter (where kind = 'order') as customers,
        coalesce(sum(quantity) filter (where kind = 'order'), 0)::decimal(38, 0) as units_sold,
        coalesce(-sum(quantity) filter (where kind = 'return'), 0)::decimal(38, 0) as units_returned,
        sum(revenue)::decimal(38, 4) as revenue
    from core.order_lines
    where kind <> 'unverified'
    group by all
),
ranked as (
    select
        *,
        rank() over (partition by sale_month, currency order by revenue desc) as revenue_rank,
        sum(revenue) over (partition by sale_month, currency) as total
    from monthly
)
select
    this.sale_month,
    this.currency,
    this.sku,
    this.orders,
    this.customers,
    this.units_sold,
    this.units_returned,
    this.revenue,
    this.revenue_rank,
    try_cast(
        if(this.total > 0, 100 * this.revenue::double / this.total::double, null) as decimal(18, 4)
    ) as revenue_share_pct,
    before.revenue as previous_revenue,
    before.revenue_rank as previous_rank,
    before.revenue_rank - this.revenue_rank as rank_change
from ranked as this
left join ranked as before
    on this.sku = before.sku
    and this.currency = before.currency
    and this.sale_month = before.sale_month + interval 1 month
