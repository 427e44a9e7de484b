-- title: What the sentiment model makes of feedback, against its stars
-- case: operations
-- chart: {"plugin": "Y Bar", "group_by": ["model_version"], "columns": ["told_pct", "macro_recall_pct"], "aggregates": {"told_pct": "avg", "macro_recall_pct": "avg"}}
select
    model_version,
    channel,
    sum(texts)::bigint as texts,
    (100 * sum(told) / sum(texts))::decimal(5, 2) as told_pct,
    (
        100 * list_avg(list_filter(
            [
                sum(negative_told) / nullif(sum(negative), 0),
                sum(neutral_told) / nullif(sum(neutral), 0),
                sum(positive_told) / nullif(sum(positive), 0)
            ],
            lambda recall: recall is not null
        ))
    )::decimal(5, 2) as macro_recall_pct
from marts.sentiment_accuracy
group by all
order by all
