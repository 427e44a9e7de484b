-- grain: One row per topic, day, stage and reason for which records were rejected.
-- key: topic, rejected_date, stage, reason
-- domain: operations
-- description: Dead letters and quarantined records by reason; numbers in a reason are written `#`, so that similar ones
--     count together.
-- materialized: incremental_by_group
-- group_by: topic, rejected_date
{% for topic in event_topics %}
-- input raw.{{ topic }}_dlq affects: '{{ topic }}', _kafka_time::date
-- input raw.{{ topic }}_quarantine affects: '{{ topic }}', _kafka_time::date
{% endfor %}
-- column topic: The topic for which the record was intended.
-- column rejected_date: Day on which Kafka took the record, in UTC.
-- column stage: What rejected it, such as `source:access-log` or `processor:order-extractor`; `landing` for records that
--     are not a valid event of their topic.
-- column reason: Why.
-- column records: Records.
-- column first_at: The first of them.
-- column last_at: The last of them.
with rejected as (
{% for topic in event_topics %}
    select '{{ topic }}' as topic, _kafka_time, _headers, null as reason
    from raw.{{ topic }}_dlq
    union all
    select '{{ topic }}', _kafka_time, null, _reason
    from raw.{{ topic }}_quarantine
{% if not loop.last %}
    union all
{% endif %}
{% endfor %}
),
-- Materialized, so that no filter is pushed into `try`: DuckDB has failed with an internal error on that.
decoded as materialized (
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
