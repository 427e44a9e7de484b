-- grain: One row per order or return of a customer, with the customer as they were then.
-- key: order_id
-- domain: ecommerce
-- description: Each order in the sequence of its customer's orders, joined to the row of core.customers that was valid
--     when it was placed. Guests are left out.
-- partition: year(order_date), month(order_date)
-- materialized: incremental_by_group
-- group_by: customer_id
-- input core.orders affects: customer_id
-- input core.customers affects: customer_id
-- foreign_key order_id: core.orders (order_id)
-- column order_id: Number of the order or return.
-- column customer_id: The customer.
-- column kind: `order` or `return`.
-- column channel: The channel that takes precedence for it.
-- column ordered_at: When it was placed.
-- column order_date: Day it was placed, in UTC.
-- column cohort_month: Month of the customer's first order, by its first day; empty without any order.
-- column months_since_first: Calendar months from that month to this order's; negative before the first order.
-- column order_number: Place among the customer's orders, from 1; empty for returns.
-- column days_since_previous: Days since the order before; empty for the first one and for returns.
-- column country_of_residence: Country of residence when it was placed; `Unspecified` where the customer was
--     not known then.
-- column currency: ISO 4217 code of the revenue.
-- column units: Units, negative on a return.
-- column revenue: Revenue, exact, negative on a return.
with documents as (
    select
        *,
        date_trunc('month', min(order_date) filter (where kind = 'order') over (partition by customer_id))::date
            as cohort_month
    from core.orders
    where customer_id is not null and kind in ('order', 'return')
),
sequence as (
    select
        order_id,
        row_number() over customer as order_number,
        date_diff('day', lag(order_date) over customer, order_date) as days_since_previous
    from documents
    where kind = 'order'
    window customer as (partition by customer_id order by ordered_at, order_id)
)
select
    documents.order_id,
    documents.customer_id,
    documents.kind,
    documents.channel,
    documents.ordered_at,
    documents.order_date,
    documents.cohort_month,
    date_diff('month', documents.cohort_month, documents.order_date) as months_since_first,
    sequence.order_number,
    sequence.days_since_previous,
    coalesce(customers.country, 'Unspecified') as country_of_residence,
    documents.currency,
    documents.units,
    documents.revenue
from documents
left join sequence using (order_id)
left join core.customers as customers
    on documents.customer_id = customers.customer_id
    and documents.ordered_at >= customers.valid_from
    and (documents.ordered_at < customers.valid_to or customers.valid_to is null)
