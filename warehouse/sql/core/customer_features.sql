-- grain: One row per customer with an order or a return.
-- key: customer_id
-- domain: ecommerce
-- description: The features of the behavior model, as defined in `headrace/contracts/features.py`; the stream computes the same.
-- materialized: incremental_by_group
-- group_by: customer_id
-- input core.orders affects: customer_id
-- column customer_id: The customer.
-- column feature_cutoff: Latest time of any order or return; nothing later is in the features.
-- column orders: Orders placed, returns not counted.
-- column returns: Returns made.
-- column currency: ISO 4217 code of most of the orders and returns; the alphabetically first on a tie.
-- column monetary_value: Revenue so far in this currency, exact, returns deducted.
-- column orders_in_other_currencies: Orders and returns that this leaves out.
-- column recency_days: Days from the last order to the cutoff; empty without an order.
-- column tenure_days: Days from the first order to the cutoff; empty without an order.
-- column mean_gap_days: Mean days between orders; empty before the second one.
-- column mean_basket_lines: Mean number of lines an order; empty without an order.
-- column order_days: Days with an order, in UTC.
-- column last_gap_days: Whole days between the last two of them; empty before the second one.
-- column median_gap_days: Median of the whole days from one to the next; empty before the second one.
-- column longest_gap_days: Most whole days from one to the next; empty before the second one.
with
-- The times of the features. Training frames replace this CTE by other times (`warehouse/frames`).
moments as (
    select customer_id, max(ordered_at) as feature_cutoff
    from core.orders
    where customer_id is not null and kind in ('order', 'return')
    group by customer_id
),
documents as (
    select
        customer_id,
        feature_cutoff,
        kind,
        currency,
        revenue,
        line_count,
        epoch_us(feature_cutoff) as cutoff_us,
        epoch_us(ordered_at) as ordered_us,
        order_date - date '1970-01-01' as day
    from core.orders
    join moments using (customer_id)
    where kind in ('order', 'return') and ordered_at <= feature_cutoff
),
amounts as (
    select
        customer_id,
        feature_cutoff,
        currency,
        count(*) as documents,
        sum(revenue)::decimal(38, 4) as revenue,
        count(*) filter (where kind = 'order') as orders,
        count(*) filter (where kind = 'return') as returns,
        any_value(cutoff_us) as cutoff_us,
        min(ordered_us) filter (where kind = 'order') as first_us,
        max(ordered_us) filter (where kind = 'order') as last_us,
        sum(line_count) filter (where kind = 'order') as order_lines
    from documents
    group by customer_id, feature_cutoff, currency
),
totals as (
    select
        customer_id,
        feature_cutoff,
        first(currency order by documents desc, currency) as currency,
        first(revenue order by documents desc, currency) as monetary_value,
        (sum(documents) - max(documents))::bigint as orders_in_other_currencies,
        sum(orders)::bigint as orders,
        sum(returns)::bigint as returns,
        any_value(cutoff_us) as cutoff_us,
        min(first_us) as first_us,
        max(last_us) as last_us,
        sum(order_lines) as order_lines
    from amounts
    group by customer_id, feature_cutoff
),
gaps as (
    select
        customer_id,
        feature_cutoff,
        day,
        day - lag(day) over (partition by customer_id, feature_cutoff order by day) as gap_days
    from (select distinct customer_id, feature_cutoff, day from documents where kind = 'order')
),
rhythms as (
    select
        customer_id,
        feature_cutoff,
        count(*) as order_days,
        max_by(gap_days, day) as last_gap_days,
        median(gap_days) as median_gap_days,
        max(gap_days) as longest_gap_days
    from gaps
    group by customer_id, feature_cutoff
)
select
    customer_id,
    feature_cutoff,
    orders,
    returns,
    currency,
    monetary_value,
    orders_in_other_currencies,
    (cutoff_us - last_us)::double / 86400000000::double as recency_days,
    (cutoff_us - first_us)::double / 86400000000::double as tenure_days,
    (last_us - first_us)::double / nullif(86400000000 * (orders - 1), 0)::double as mean_gap_days,
    order_lines::double / nullif(orders, 0)::double as mean_basket_lines,
    coalesce(order_days, 0) as order_days,
    last_gap_days,
    median_gap_days,
    longest_gap_days
from totals
left join rhythms using (customer_id, feature_cutoff)
