-- grain: One row per product that was ever on an order.
-- key: sku
-- domain: ecommerce
-- description: Product dimension, made from the order lines, since no source sends products.
-- dimension: true
-- materialized: incremental_by_group
-- group_by: sku
-- input core.order_lines affects: sku
-- column sku: Product code.
-- column description: Latest name of the product on an order; empty where none was given.
-- column first_sold_on: Day of its first line on an order.
-- column last_sold_on: Day of its last line on an order.
-- column units_sold: Units on orders, returns and adjustments not deducted.
select
    sku,
    last(description order by ordered_at, order_id, line_number) filter (where description is not null) as description,
    min(order_date) filter (where kind = 'order') as first_sold_on,
    max(order_date) filter (where kind = 'order') as last_sold_on,
    coalesce(sum(quantity) filter (where kind = 'order'), 0)::decimal(38, 0) as units_sold
from core.order_lines
group by sku
