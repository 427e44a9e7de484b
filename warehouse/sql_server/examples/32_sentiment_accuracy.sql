-- title: Accuracy of the sentiment model on feedback, compared with its stars
-- domain: operations
-- chart: {"plugin": "Y Bar", "group_by": ["model_version"], "columns": ["accuracy_pct", "macro_recall_pct"], "aggregates": {"accuracy_pct": "avg", "macro_recall_pct": "avg"}}
select
    model_version,
    channel,
    sum(texts)::bigint as texts,
    (100 * sum(correct_predictions) / sum(texts))::decimal(5, 2) as accuracy_pct,
    (
        100 * list_avg(list_filter(
            [
                sum(negative_true_positives) / nullif(sum(negative_actual), 0),
                sum(neutral_true_positives) / nullif(sum(neutral_actual), 0),
                sum(positive_true_positives) / nullif(sum(positive_actual), 0)
            ],
            lambda recall: recall is not null
        ))
    )::decimal(5, 2) as macro_recall_pct
from marts.sentiment_accuracy
group by all
order by all
