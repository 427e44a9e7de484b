-- grain: One row per topic and hour in which its records became available in the marts.
-- key: topic, available_hour
-- domain: operations
-- description: How long records take from Kafka to the marts: until the build that has them is published.
-- materialized: incremental_by_group
-- group_by: topic, available_hour
-- input meta.freshness affects: topic, available_hour
-- column topic: The topic.
-- column available_hour: The hour in which they became available to queries, in UTC, by its beginning.
-- column records: Records measured.
-- column p50_s: Seconds from Kafka taking a record until it was available; half took no longer.
-- column p95_s: The same; 95% took no longer.
-- column max_s: The slowest.
with running as (
    select
        topic,
        available_hour,
        seconds,
        sum(records) over upward as so_far,
        sum(records) over (partition by topic, available_hour) as records
    from meta.freshness
    window upward as (partition by topic, available_hour order by seconds)
)
select
    topic,
    available_hour,
    max(records)::bigint as records,
    min(seconds) filter (where so_far >= 0.50 * records) as p50_s,
    min(seconds) filter (where so_far >= 0.95 * records) as p95_s,
    max(seconds) as max_s
from running
group by topic, available_hour
