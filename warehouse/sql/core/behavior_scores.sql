-- grain: One row per score of the behavior model.
-- key: event_id
-- domain: ecommerce
-- description: Every score with the customer's segment; the features of the score are in the raw topic.
-- partition: year(cutoff_date), month(cutoff_date)
-- materialized: incremental_append
-- event_time: feature_cutoff
-- column event_id: The event that carried the score.
-- column customer_id: The customer.
-- column feature_cutoff: {{ about("customer_behavior.feature_cutoff") }}
-- column cutoff_date: Day of the cutoff, in UTC.
-- column repurchase_probability: {{ about("customer_behavior.repurchase_probability") }}
-- column segment: {{ about("customer_behavior.segment") }}
-- column model_version: {{ about("customer_behavior.model_version") }}
-- column scored_at: {{ about("customer_behavior.scored_at") }}
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
