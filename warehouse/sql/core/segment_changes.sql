-- grain: One row per customer and segment that they entered or left at a time.
-- key: customer_id, changed_at, segment
-- domain: ecommerce
-- description: How customers move between segments. A move is two rows: one left, one entered.
-- materialized: incremental_by_group
-- group_by: customer_id
-- input core.behavior_scores affects: customer_id
-- column customer_id: The customer.
-- column changed_at: The cutoff of the first score with the new segment.
-- column changed_date: Day of the change, in UTC.
-- column segment: The segment entered or left.
-- column delta: 1 where it was entered, -1 where it was left.
with latest_scores as (
    select customer_id, feature_cutoff as changed_at, segment
    from core.behavior_scores
    {{ latest_score("customer_id, feature_cutoff") }}
),
sequence as (
    select *, lag(segment) over (partition by customer_id order by changed_at) as previous_segment
    from latest_scores
),
moves as (
    select * from sequence where previous_segment is distinct from segment
)
select customer_id, changed_at, changed_at::date as changed_date, segment, 1::smallint as delta from moves
union all
select customer_id, changed_at, changed_at::date, previous_segment, -1::smallint
from moves
where previous_segment is not null
