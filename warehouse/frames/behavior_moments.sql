-- Every customer with an order, at every cutoff after the first one.
select customer_id, cutoff as feature_cutoff
from (
    select customer_id, min(ordered_at) as first_ordered_at
    from core.orders
    where customer_id is not null and kind = 'order'
    group by customer_id
)
join cutoffs on first_ordered_at <= cutoff
