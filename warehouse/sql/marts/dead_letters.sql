-- grain: One row per topic, day, stage and reason for which records were rejected.
-- key: topic, rejected_date, stage, reason
-- domain: operations
-- description: Dead letters and quarantined records by reason; numbers in a reason are written `#`, so that similar ones
--     count together.
-- materialized: incremental_by_group
-- group_by: topic, rejected_date
-- input raw.web_logs_dlq affects: 'web_logs', _kafka_time::date
-- input raw.web_logs_quarantine affects: 'web_logs', _kafka_time::date
-- input raw.orders_dlq affects: 'orders', _kafka_time::date
-- input raw.orders_quarantine affects: 'orders', _kafka_time::date
-- input raw.customers_dlq affects: 'customers', _kafka_time::date
-- input raw.customers_quarantine affects: 'customers', _kafka_time::date
-- input raw.customer_behavior_dlq affects: 'customer_behavior', _kafka_time::date
-- input raw.customer_behavior_quarantine affects: 'customer_behavior', _kafka_time::date
-- input raw.social_media_dlq affects: 'social_media', _kafka_time::date
-- input raw.social_media_quarantine affects: 'social_media', _kafka_time::date
-- input raw.weather_data_dlq affects: 'weather_data', _kafka_time::date
-- input raw.weather_data_quarantine affects: 'weather_data', _kafka_time::date
-- input raw.customer_feedback_dlq affects: 'customer_feedback', _kafka_time::date
-- input raw.customer_feedback_quarantine affects: 'customer_feedback', _kafka_time::date
-- input raw.customer_sentiment_dlq affects: 'customer_sentiment', _kafka_time::date
-- input raw.customer_sentiment_quarantine affects: 'customer_sentiment', _kafka_time::date
-- column topic: The topic the record was meant for.
-- column rejected_date: Day on which Kafka took the record, in UTC.
-- column stage: What rejected it, such as `source:access-log` or `processor:order-extractor`; `landing` for what is no
--     valid event of its own topic.
-- column reason: Why.
-- column records: Records.
-- column first_at: The first of them.
-- column last_at: The last of them.
with rejected as (
    select 'web_logs' as topic, _kafka_time, _headers, null as reason
    from raw.web_logs_dlq
    union all
    select 'web_logs', _kafka_time, null, _reason from raw.web_logs_quarantine
    union all
    select 'orders' as topic, _kafka_time, _headers, null as reason
    from raw.orders_dlq
    union all
    select 'orders', _kafka_time, null, _reason from raw.orders_quarantine
    union all
    select 'customers' as topic, _kafka_time, _headers, null as reason
    from raw.customers_dlq
    union all
    select 'customers', _kafka_time, null, _reason from raw.customers_quarantine
    union all
    select 'customer_behavior' as topic, _kafka_time, _headers, null as reason
    from raw.customer_behavior_dlq
    union all
    select 'customer_behavior', _kafka_time, null, _reason from raw.customer_behavior_quarantine
    union all
    select 'social_media' as topic, _kafka_time, _headers, null as reason
    from raw.social_media_dlq
    union all
    select 'social_media', _kafka_time, null, _reason from raw.social_media_quarantine
    union all
    select 'weather_data' as topic, _kafka_time, _headers, null as reason
    from raw.weather_data_dlq
    union all
    select 'weather_data', _kafka_time, null, _reason from raw.weather_data_quarantine
    union all
    select 'customer_feedback' as topic, _kafka_time, _headers, null as reason
    from raw.customer_feedback_dlq
    union all
    select 'customer_feedback', _kafka_time, null, _reason from raw.customer_feedback_quarantine
    union all
    select 'customer_sentiment' as topic, _kafka_time, _headers, null as reason
    from raw.customer_sentiment_dlq
    union all
    select 'customer_sentiment', _kafka_time, null, _reason from raw.customer_sentiment_quarantine
),
decoded as (
    select
        topic,
        _kafka_time,
        case when reason is not null then 'landing' else try(decode(
            list_filter(_headers, lambda each: each.key = 'headrace.stage')[1].value
        )) end as stage,
        coalesce(reason, try(decode(
            list_filter(_headers, lambda each: each.key = 'headrace.reason')[1].value
        ))) as reason
    from rejected
)
select
    topic,
    _kafka_time::date as rejected_date,
    coalesce(stage, 'unknown') as stage,
    coalesce(regexp_replace(reason, '[0-9]+', '#', 'g'), 'unknown') as reason,
    count(*) as records,
    min(_kafka_time) as first_at,
    max(_kafka_time) as last_at
from decoded
group by all
