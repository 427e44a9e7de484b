-- grain: One row per topic, minute in which any of its records landed, latency type, and number of seconds.
-- key: topic, landed_minute, latency_type, seconds
-- domain: operations
-- description: How long records took to land, as counts by seconds, from which quantiles of hours add up.
--     Invalid records are counted too.
-- materialized: incremental_by_group
-- group_by: topic, landed_minute
-- input raw.web_logs affects: 'web_logs', date_trunc('minute', _landed_at)
-- input raw.web_logs_quarantine affects: 'web_logs', date_trunc('minute', _landed_at)
-- input raw.orders affects: 'orders', date_trunc('minute', _landed_at)
-- input raw.orders_quarantine affects: 'orders', date_trunc('minute', _landed_at)
-- input raw.customers affects: 'customers', date_trunc('minute', _landed_at)
-- input raw.customers_quarantine affects: 'customers', date_trunc('minute', _landed_at)
-- input raw.customer_behavior affects: 'customer_behavior', date_trunc('minute', _landed_at)
-- input raw.customer_behavior_quarantine affects: 'customer_behavior', date_trunc('minute', _landed_at)
-- input raw.social_media affects: 'social_media', date_trunc('minute', _landed_at)
-- input raw.social_media_quarantine affects: 'social_media', date_trunc('minute', _landed_at)
-- input raw.weather_data affects: 'weather_data', date_trunc('minute', _landed_at)
-- input raw.weather_data_quarantine affects: 'weather_data', date_trunc('minute', _landed_at)
-- input raw.customer_feedback affects: 'customer_feedback', date_trunc('minute', _landed_at)
-- input raw.customer_feedback_quarantine affects: 'customer_feedback', date_trunc('minute', _landed_at)
-- input raw.customer_sentiment affects: 'customer_sentiment', date_trunc('minute', _landed_at)
-- input raw.customer_sentiment_quarantine affects: 'customer_sentiment', date_trunc('minute', _landed_at)
-- column topic: The topic.
-- column landed_minute: The minute in which they landed, in UTC, by its beginning.
-- column latency_type: `lateness`, from the event to its landing, or `landing`, from when Kafka took the record to its
--     landing.
-- column seconds: How long it took, rounded up to the second, above 100 s to two digits.
-- column records: Records that took so long, tombstones included.
-- column invalid: Those of them that are not a valid event.
-- column late_events: Those of them that are of an event more than an hour older than Kafka's time.
-- column first_event_time: Earliest event among them; empty without any.
-- column last_event_time: Latest event among them; empty without any.
with landed as (
    select 'web_logs' as topic, event_time, _kafka_time, _landed_at, false as is_invalid
    from raw.web_logs
    union all
    select 'web_logs', null, _kafka_time, _landed_at, true
    from raw.web_logs_quarantine
    union all
    select 'orders' as topic, event_time, _kafka_time, _landed_at, false as is_invalid
    from raw.orders
    union all
    select 'orders', null, _kafka_time, _landed_at, true
    from raw.orders_quarantine
    union all
    select 'customers' as topic, event_time, _kafka_time, _landed_at, false as is_invalid
    from raw.customers
    union all
    select 'customers', null, _kafka_time, _landed_at, true
    from raw.customers_quarantine
    union all
    select 'customer_behavior' as topic, event_time, _kafka_time, _landed_at, false as is_invalid
    from raw.customer_behavior
    union all
    select 'customer_behavior', null, _kafka_time, _landed_at, true
    from raw.customer_behavior_quarantine
    union all
    select 'social_media' as topic, event_time, _kafka_time, _landed_at, false as is_invalid
    from raw.social_media
    union all
    select 'social_media', null, _kafka_time, _landed_at, true
    from raw.social_media_quarantine
    union all
    select 'weather_data' as topic, event_time, _kafka_time, _landed_at, false as is_invalid
    from raw.weather_data
    union all
    select 'weather_data', null, _kafka_time, _landed_at, true
    from raw.weather_data_quarantine
    union all
    select 'customer_feedback' as topic, event_time, _kafka_time, _landed_at, false as is_invalid
    from raw.customer_feedback
    union all
    select 'customer_feedback', null, _kafka_time, _landed_at, true
    from raw.customer_feedback_quarantine
    union all
    select 'customer_sentiment' as topic, event_time, _kafka_time, _landed_at, false as is_invalid
    from raw.customer_sentiment
    union all
    select 'customer_sentiment', null, _kafka_time, _landed_at, true
    from raw.customer_sentiment_quarantine
),
measured as (
    select *, 'landing' as latency_type, (epoch_ms(_landed_at) - epoch_ms(_kafka_time)) / 1000 as took
    from landed
    union all
    select *, 'lateness', (epoch_ms(_landed_at) - epoch_ms(event_time)) / 1000
    from landed
    where event_time is not null
)
select
    topic,
    date_trunc('minute', _landed_at) as landed_minute,
    latency_type,
    case
        when took <= 100 then ceil(took)
        else ceil(took / pow(10, floor(log10(took)) - 1)) * pow(10, floor(log10(took)) - 1)
    end::bigint as seconds,
    count(*) as records,
    count(*) filter (where is_invalid) as invalid,
    count(*) filter (where event_time + interval 1 hour < _kafka_time) as late_events,
    min(event_time) as first_event_time,
    max(event_time) as last_event_time
from measured
group by all
