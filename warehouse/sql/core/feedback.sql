-- grain: One row per feedback form or review.
-- key: source, feedback_id
-- domain: data_science
-- description: Latest state of each filled-in form or review.
-- partition: year(submitted_date), month(submitted_date)
-- row_check rating is 1 to 5 stars: rating between 1 and 5
-- row_check not from the future: submitted_at - interval 1 day <= received_at
-- anomaly_check: submitted_date
-- materialized: incremental_by_group
-- group_by: source, feedback_id
-- input raw.customer_feedback affects: source, feedback_id
-- column source: {{ about("customer_feedback.source") }}
-- column feedback_id: {{ about("customer_feedback.feedback_id") }}
-- column event_id: The event with the latest state; sentiment refers to it.
-- column channel: {{ about("customer_feedback.channel") }}
-- column submitted_at: When it was submitted.
-- column submitted_date: Day it was submitted, in UTC.
-- column customer_id: {{ about("customer_feedback.customer_id") }}
-- column rating: {{ about("customer_feedback.rating") }}
-- column rating_label: Class of the stars: `negative` (1 and 2), `neutral` (3) or `positive` (4 and 5); empty without.
-- column title: {{ about("customer_feedback.title") }}
-- column text: {{ about("customer_feedback.text") }}
-- column subject: {{ about("customer_feedback.subject") }}
-- column product_id: {{ about("customer_feedback.product_id") }}
-- column label: {{ about("customer_feedback.label") }}
-- column received_at: When Kafka took it.
with arrivals as (
    select *, {{ latest_arrival("source, feedback_id") }}
    from raw.customer_feedback
    where not _is_tombstone
),
deduplicated as (
    select *
    from arrivals
    {{ first_copy("source, feedback_id") }}
)
select
    source,
    feedback_id,
    event_id,
    channel,
    event_time as submitted_at,
    event_time::date as submitted_date,
    customer_id,
    rating,
    case when rating <= 2 then 'negative' when rating = 3 then 'neutral' when rating >= 4 then 'positive' end as rating_label,
    title,
    text,
    subject,
    product_id,
    label,
    _kafka_time as received_at
from deduplicated
{{ last_arrived("source, feedback_id", first="event_time desc") }}
