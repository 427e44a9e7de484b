-- grain: One row per topic, minute in which any of its records landed, latency type, and number of seconds.
-- key: topic, landed_minute, latency_type, seconds
-- domain: operations
-- description: How long records took to land, as counts by seconds, which add up to quantiles of longer periods.
--     Invalid records are counted too.
-- materialized: incremental_by_group
-- group_by: topic, landed_minute
{% for topic in event_topics %}
-- input raw.{{ topic }} affects: '{{ topic }}', date_trunc('minute', _landed_at)
-- input raw.{{ topic }}_quarantine affects: '{{ topic }}', date_trunc('minute', _landed_at)
{% endfor %}
-- column topic: The topic.
-- column landed_minute: The minute in which they landed, in UTC, by its beginning.
-- column latency_type: `lateness`, from the event to its landing, or `landing`, from when Kafka took the record to its
--     landing.
-- column seconds: How long it took, rounded up to the second, above 100 s to two digits.
-- column records: Records that took so long, tombstones included.
-- column invalid: Those of them that are not a valid event.
-- column late_events: Those of them whose event is more than an hour older than Kafka's timestamp.
-- column first_event_time: Earliest event among them; empty without any.
-- column last_event_time: Latest event among them; empty without any.
with landed as (
{% for topic in event_topics %}
    select '{{ topic }}' as topic, event_time, _kafka_time, _landed_at, false as is_invalid
    from raw.{{ topic }}
    union all
    select '{{ topic }}', null, _kafka_time, _landed_at, true
    from raw.{{ topic }}_quarantine
{% if not loop.last %}
    union all
{% endif %}
{% endfor %}
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
