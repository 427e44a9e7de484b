-- grain: One row per customer, version of the behavior model and day on which it scored the customer.
-- key: customer_id, model_version, cutoff_date
-- domain: ecommerce
-- description: The last score of the day, and when the customer ordered next. The outcome is known 30 days
--     after the cutoff.
-- partition: year(cutoff_date), month(cutoff_date)
-- materialized: incremental_by_group
-- group_by: customer_id
-- input core.behavior_scores affects: customer_id
-- input core.orders affects: customer_id
-- foreign_key event_id: core.behavior_scores (event_id)
-- column customer_id: The customer.
-- column model_version: Version of the model, or `rfm-rule`.
-- column cutoff_date: Day of the cutoff, in UTC.
-- column event_id: The event that carried the score.
-- column feature_cutoff: The moment that the score is about.
-- column repurchase_probability: Probability of another order within 30 days.
-- column segment: Named segment.
-- column is_backtest: The score was made after these 30 days, so the model may have learned from them.
-- column next_ordered_at: When the customer first ordered after the cutoff; empty while they have not.
-- column ordered_within_30_days: That was within 30 days.
with latest_scores as (
    select *
    from core.behavior_scores
    {{ latest_score("customer_id, model_version, cutoff_date") }}
),
placed as (
    select customer_id, ordered_at from core.orders where kind = 'order' and customer_id is not null
)
select
    latest_scores.customer_id,
    model_version,
    cutoff_date,
    event_id,
    feature_cutoff,
    repurchase_probability,
    segment,
    scored_at > feature_cutoff + interval 30 days as is_backtest,
    ordered_at as next_ordered_at,
    coalesce(ordered_at <= feature_cutoff + interval 30 days, false) as ordered_within_30_days
from latest_scores
asof left join placed
    on latest_scores.customer_id = placed.customer_id and latest_scores.feature_cutoff < placed.ordered_at
