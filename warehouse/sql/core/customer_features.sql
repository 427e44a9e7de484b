-- One row per customer with an order or a return.
-- key: customer_id
-- case: ecommerce
-- description: What the behaviour model looks at, as `contracts/features.py` defines it and the stream computes it too.
-- scope: customer_id
-- input core.orders: customer_id
-- column customer_id: The customer.
-- column feature_cutoff: Latest time of any order or return; nothing later is in the features.
-- column orders: Orders placed, returns not counted.
-- column returns: Returns made.
-- column monetary: Revenue so far, exact, returns deducted.
-- column recency_days: Days from the last order to the cutoff; empty without an order.
-- column tenure_days: Days from the first order to the cutoff; empty without an order.
-- column mean_gap_days: Mean days between orders; empty before the second one.
-- column mean_basket_lines: Mean number of lines an order; empty without an order.
with times as (
    select
        customer_id,
        max(ordered_at) as feature_cutoff,
        count(*) filter (where kind = 'order') as orders,
        count(*) filter (where kind = 'return') as returns,
        sum(revenue)::decimal(38, 4) as monetary,
        epoch_us(max(ordered_at)) as cutoff_us,
        min(epoch_us(ordered_at)) filter (where kind = 'order') as first_us,
        max(epoch_us(ordered_at)) filter (where kind = 'order') as last_us,
        sum(line_count) filter (where kind = 'order') as order_lines
    from core.orders
    where customer_id is not null and kind in ('order', 'return')
    group by customer_id
)
select
    customer_id,
    feature_cutoff,
    orders,
    returns,
    monetary,
    (cutoff_us - last_us)::double / 86400000000::double as recency_days,
    (cutoff_us - first_us)::double / 86400000000::double as tenure_days,
    (last_us - first_us)::double / nullif(86400000000 * (orders - 1), 0)::double as mean_gap_days,
    order_lines::double / nullif(orders, 0)::double as mean_basket_lines
from times
