-- grain: One row per customer.
-- key: customer_id
-- domain: PROJECT_DOMAIN
-- description: How often each customer has ordered, and for how long.
-- materialized: incremental_by_group
-- group_by: customer_id
-- input core.orders affects: customer_id
-- row_check the last order is not before the first: last_order_date >= first_order_date
-- column customer_id: The customer.
-- column orders: Orders placed.
-- column first_order_date: Day of the first order, in UTC.
-- column last_order_date: Day of the last order, in UTC.
select
    customer_id,
    count(*) as orders,
    min(order_date) as first_order_date,
    max(order_date) as last_order_date
from core.orders
where kind = 'order' and customer_id is not null
group by customer_id
