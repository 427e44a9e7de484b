-- grain: One row per segment and day on which a customer entered or left it.
-- key: segment, changed_date
-- domain: ecommerce
-- description: Segments over time: how many customers joined, left and were in it at the end of the day. A day without
--     a row is the same as the day before.
-- materialized: incremental_by_group
-- group_by: segment
-- input core.segment_changes affects: segment
-- column segment: Named segment.
-- column changed_date: The day, in UTC.
-- column customers_entered: Customers who entered it.
-- column customers_exited: Customers who left it.
-- column customers: Customers in it at the end of the day.
with daily as (
    select
        segment,
        changed_date,
        count(*) filter (where delta = 1) as customers_entered,
        count(*) filter (where delta = -1) as customers_exited
    from core.segment_changes
    group by segment, changed_date
)
select
    segment,
    changed_date,
    customers_entered,
    customers_exited,
    sum(customers_entered - customers_exited) over (partition by segment order by changed_date)::bigint as customers
from daily
