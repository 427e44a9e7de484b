outcomes as (
    select
        orders.customer_id,
        cutoff,
        bool_or(kind = 'order' and ordered_at <= cutoff + interval 30 days) as ordered,
        coalesce(sum(revenue) filter (where orders.currency = features.currency), 0)::double as spend
    from core.orders as orders
    join cutoffs on ordered_at > cutoff and ordered_at <= cutoff + interval 90 days
    join features on features.customer_id = orders.customer_id and features.feature_cutoff = cutoff
    where kind in ('order', 'return')
    group by orders.customer_id, cutoff
),
known as (
    select max(ordered_at) as as_of from core.orders
)
select
    features.customer_id,
    feature_cutoff as cutoff,
    orders,
    returns,
    currency,
    monetary_value::double as monetary_value,
    orders_in_other_currencies,
    recency_days,
    tenure_days,
    mean_gap_days,
    mean_basket_lines,
    order_days,
    last_gap_days,
    median_gap_days,
    longest_gap_days,
    coalesce(ordered, false) as ordered,
    -- Only where all of the 90 days have passed.
    case when feature_cutoff + interval 90 days <= as_of then coalesce(spend, 0) end as spend
from features
cross join known
left join outcomes on outcomes.customer_id = features.customer_id and outcomes.cutoff = features.feature_cutoff
order by feature_cutoff, features.customer_id
