-- grain: One row per month and pair of products often ordered together.
-- key: sale_month, sku_a, sku_b
-- domain: ecommerce
-- description: Products bought together, with the measures of association rules (Agrawal, Imieliński, Swami 1993). Pairs
--     in at least 3 orders and 0.5% of the month's are here; an order with more than 300 products makes no pairs.
-- materialized: incremental_by_group
-- group_by: sale_month
-- input core.order_lines affects: date_trunc('month', order_date)::date
-- column sale_month: The month, by its first day.
-- column sku_a: One product, the first of the two by its code.
-- column sku_b: The other.
-- column orders_together: Orders with both.
-- column orders_a: Orders with the one.
-- column orders_b: Orders with the other.
-- column orders: Orders of the month.
-- column support_pct: Orders with both, percent of all.
-- column confidence_a_to_b_pct: Orders with both, percent of those with the one.
-- column confidence_b_to_a_pct: Orders with both, percent of those with the other.
-- column lift: Orders with both, relative to the number expected if the two were independent.
with baskets as (
    select distinct date_trunc('month', order_date)::date as sale_month, order_id, sku
    from core.order_lines
    where kind = 'order'
),
months as (
    select
        sale_month,
        count(distinct order_id) as orders,
        greatest(3, ceil(count(distinct order_id) * 0.005)) as least_orders
    from baskets
    group by sale_month
),
-- A pair is no more frequent than either of its products.
frequent as (
    select sale_month, sku, count(*) as orders
    from baskets
    inner join months using (sale_month)
    group by sale_month, sku
    having count(*) >= any_value(least_orders)
),
items as (
    select *
    from (select * from baskets qualify count(*) over (partition by order_id, sale_month) <= 300)
    semi join frequent using (sale_month, sku)
),
pairs as (
    select a.sale_month, a.sku as sku_a, b.sku as sku_b, count(*) as orders_together
    from items as a
    inner join items as b on a.order_id = b.order_id and a.sale_month = b.sale_month and a.sku < b.sku
    group by all
)
select
    pairs.sale_month,
    sku_a,
    sku_b,
    orders_together,
    a.orders as orders_a,
    b.orders as orders_b,
    months.orders,
    (100 * orders_together / months.orders)::decimal(9, 4) as support_pct,
    (100 * orders_together / a.orders)::decimal(9, 4) as confidence_a_to_b_pct,
    (100 * orders_together / b.orders)::decimal(9, 4) as confidence_b_to_a_pct,
    ((orders_together * months.orders) / (a.orders * b.orders))::decimal(18, 4) as lift
from pairs
inner join frequent as a on pairs.sale_month = a.sale_month and sku_a = a.sku
inner join frequent as b on pairs.sale_month = b.sale_month and sku_b = b.sku
inner join months on pairs.sale_month = months.sale_month and orders_together >= least_orders
