-- grain: One row per score of the behavior model.
-- key: event_id
-- domain: ecommerce
-- description: Every score with the customer's segment; the features of the score are in the raw topic.
-- partition: year(cutoff_date), month(cutoff_date)
-- materialized: incremental_append
-- event_time: feature_cutoff
-- column event_id: The event that carried the score.
-- column customer_id: The customer.
-- column feature_cutoff: The moment that the score is about: that of the customer's latest order or return.
-- column cutoff_date: Day of the cutoff, in UTC.
-- column repurchase_probability: Probability of another order within 30 days.
-- column segment: Named segment.
-- column model_version: Version of the model, or `rfm-rule`.
-- column scored_at: When the score was made.
-- column received_at: When Kafka took the event.
select
    event_id,
    customer_id,
    event_time as feature_cutoff,
    event_time::date as cutoff_date,
    repurchase_probability::decimal(9, 6) as repurchase_probability,
    segment,
    model_version,
    scored_at,
    _kafka_time as received_at
from raw.customer_behavior
where not _is_tombstone
{{ first_landed() }}
