-- grain: One row per topic and hour in which anything of it landed.
-- key: topic, landed_hour
-- domain: operations
-- description: Landing latency and lateness of events, in seconds, above 100 s to two digits. Records that are not a
--     valid event are counted too.
-- materialized: incremental_by_group
-- group_by: topic, landed_hour
-- input core.landing_latency_histogram affects: topic, date_trunc('hour', landed_minute)
-- column topic: The topic.
-- column landed_hour: The hour in which it landed, in UTC, by its beginning.
-- column records: Records landed, tombstones included.
-- column quarantined: Further records that are not a valid event.
-- column first_event_time: Earliest event among them; empty without any.
-- column last_event_time: Latest event among them; empty without any.
-- column late_events: Events that were more than an hour old when Kafka took them.
-- column median_lateness_s: Seconds from an event to its landing; half are no slower.
-- column p95_lateness_s: Seconds from an event to its landing; 95% are no slower.
-- column max_lateness_s: Seconds from an event to its landing, the slowest.
-- column p95_landing_s: Seconds from Kafka taking a record to its landing; 95% are no slower.
with counted as (
    select
        topic,
        date_trunc('hour', landed_minute) as landed_hour,
        latency_type,
        seconds,
        sum(records) as records,
        sum(invalid) as invalid,
        sum(late_events) as late_events,
        min(first_event_time) as first_event_time,
        max(last_event_time) as last_event_time
    from core.landing_latency_histogram
    group by all
),
running as (
    select
        *,
        sum(records) over (partition by topic, landed_hour, latency_type order by seconds) as so_far,
        sum(records) over (partition by topic, landed_hour, latency_type) as of_all
    from counted
)
select
    topic,
    landed_hour,
    (sum(records - invalid) filter (where latency_type = 'landing'))::bigint as records,
    (sum(invalid) filter (where latency_type = 'landing'))::bigint as quarantined,
    min(first_event_time) as first_event_time,
    max(last_event_time) as last_event_time,
    coalesce(sum(late_events) filter (where latency_type = 'lateness'), 0)::bigint as late_events,
    min(seconds) filter (where latency_type = 'lateness' and so_far >= 0.50 * of_all) as median_lateness_s,
    min(seconds) filter (where latency_type = 'lateness' and so_far >= 0.95 * of_all) as p95_lateness_s,
    max(seconds) filter (where latency_type = 'lateness') as max_lateness_s,
    min(seconds) filter (where latency_type = 'landing' and so_far >= 0.95 * of_all) as p95_landing_s
from running
group by topic, landed_hour
