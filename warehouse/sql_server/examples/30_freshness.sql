-- title: Seconds from Kafka to the marts, by topic
-- domain: operations
-- chart: {"plugin": "Y Line", "group_by": ["available_hour"], "split_by": ["topic"], "columns": ["p95_s"], "aggregates": {"p95_s": "max"}}
select available_hour, topic, records, p50_s, p95_s, max_s
from marts.mart_freshness
order by all
