-- title: How posts and feedback feel, by day
-- domain: data_science
-- chart: {"plugin": "Y Line", "group_by": ["authored_date"], "split_by": ["subject"], "columns": ["net_sentiment_pct"], "aggregates": {"net_sentiment_pct": "avg"}}
select
    authored_date,
    subject,
    sum(scored)::bigint as scored,
    (100.0 * (sum(positive) - sum(negative)) / nullif(sum(scored), 0))::double as net_sentiment_pct
from marts.sentiment_daily
group by all
order by all
