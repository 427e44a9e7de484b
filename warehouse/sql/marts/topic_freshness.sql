-- One row per topic and hour in which anything of it landed.
-- key: topic, landed_hour
-- case: operations
-- description: How fresh the landed data is and how late events come. Records that are no valid event are counted too.
-- scope: topic, landed_hour
-- input raw.web_logs: 'web_logs', date_trunc('hour', _landed_at)
-- input raw.web_logs_quarantine: 'web_logs', date_trunc('hour', _landed_at)
-- input raw.orders: 'orders', date_trunc('hour', _landed_at)
-- input raw.orders_quarantine: 'orders', date_trunc('hour', _landed_at)
-- input raw.customers: 'customers', date_trunc('hour', _landed_at)
-- input raw.customers_quarantine: 'customers', date_trunc('hour', _landed_at)
-- input raw.customer_behavior: 'customer_behavior', date_trunc('hour', _landed_at)
-- input raw.customer_behavior_quarantine: 'customer_behavior', date_trunc('hour', _landed_at)
-- input raw.social_media: 'social_media', date_trunc('hour', _landed_at)
-- input raw.social_media_quarantine: 'social_media', date_trunc('hour', _landed_at)
-- input raw.weather_data: 'weather_data', date_trunc('hour', _landed_at)
-- input raw.weather_data_quarantine: 'weather_data', date_trunc('hour', _landed_at)
-- input raw.customer_feedback: 'customer_feedback', date_trunc('hour', _landed_at)
-- input raw.customer_feedback_quarantine: 'customer_feedback', date_trunc('hour', _landed_at)
-- input raw.customer_sentiment: 'customer_sentiment', date_trunc('hour', _landed_at)
-- input raw.customer_sentiment_quarantine: 'customer_sentiment', date_trunc('hour', _landed_at)
-- column topic: The topic.
-- column landed_hour: The hour in which it landed, in UTC, by its beginning.
-- column records: Records landed, tombstones included.
-- column quarantined: Records besides these that are no valid event.
-- column first_event_time: Earliest event among them; empty without any.
-- column last_event_time: Latest event among them; empty without any.
-- column late_events: Events that were more than an hour old when Kafka took them.
-- column median_lateness_s: Seconds from an event to its landing, half are faster.
-- column p95_lateness_s: Seconds from an event to its landing, 95% are faster.
-- column max_lateness_s: Seconds from an event to its landing, the slowest.
-- column p95_landing_s: Seconds from Kafka taking a record to its landing, 95% are faster.
with landed as (
    select 'web_logs' as topic, event_time, _kafka_time, _landed_at, false as is_refused
    from raw.web_logs
    union all
    select 'web_logs', null, _kafka_time, _landed_at, true
    from raw.web_logs_quarantine
    union all
    select 'orders' as topic, event_time, _kafka_time, _landed_at, false as is_refused
    from raw.orders
    union all
    select 'orders', null, _kafka_time, _landed_at, true
    from raw.orders_quarantine
    union all
    select 'customers' as topic, event_time, _kafka_time, _landed_at, false as is_refused
    from raw.customers
    union all
    select 'customers', null, _kafka_time, _landed_at, true
    from raw.customers_quarantine
    union all
    select 'customer_behavior' as topic, event_time, _kafka_time, _landed_at, false as is_refused
    from raw.customer_behavior
    union all
    select 'customer_behavior', null, _kafka_time, _landed_at, true
    from raw.customer_behavior_quarantine
    union all
    select 'social_media' as topic, event_time, _kafka_time, _landed_at, false as is_refused
    from raw.social_media
    union all
    select 'social_media', null, _kafka_time, _landed_at, true
    from raw.social_media_quarantine
    union all
    select 'weather_data' as topic, event_time, _kafka_time, _landed_at, false as is_refused
    from raw.weather_data
    union all
    select 'weather_data', null, _kafka_time, _landed_at, true
    from raw.weather_data_quarantine
    union all
    select 'customer_feedback' as topic, event_time, _kafka_time, _landed_at, false as is_refused
    from raw.customer_feedback
    union all
    select 'customer_feedback', null, _kafka_time, _landed_at, true
    from raw.customer_feedback_quarantine
    union all
    select 'customer_sentiment' as topic, event_time, _kafka_time, _landed_at, false as is_refused
    from raw.customer_sentiment
    union all
    select 'customer_sentiment', null, _kafka_time, _landed_at, true
    from raw.customer_sentiment_quarantine
)
select
    topic,
    date_trunc('hour', _landed_at) as landed_hour,
    count(*) filter (where not is_refused) as records,
    count(*) filter (where is_refused) as quarantined,
    min(event_time) as first_event_time,
    max(event_time) as last_event_time,
    count(*) filter (where event_time < _kafka_time - interval 1 hour) as late_events,
    (quantile_disc(epoch_ms(_landed_at) - epoch_ms(event_time), 0.5) / 1000)::decimal(18, 3) as median_lateness_s,
    (quantile_disc(epoch_ms(_landed_at) - epoch_ms(event_time), 0.95) / 1000)::decimal(18, 3) as p95_lateness_s,
    (max(epoch_ms(_landed_at) - epoch_ms(event_time)) / 1000)::decimal(18, 3) as max_lateness_s,
    (quantile_disc(epoch_ms(_landed_at) - epoch_ms(_kafka_time), 0.95) / 1000)::decimal(18, 3) as p95_landing_s
from landed
group by all
