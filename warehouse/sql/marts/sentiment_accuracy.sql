-- grain: One row per day, channel of the feedback and version of the sentiment model.
-- key: submitted_date, channel, model_version
-- domain: operations
-- description: The label that the sentiment model predicted for the text of a feedback, compared with the actual one:
--     the person's label where there is one, else their stars (1 and 2 are negative, 3 neutral, 4 and 5 positive). All
--     counts add up over days: recall of a class is `negative_true_positives / negative_actual`, and the mean of the three
--     is the macro-recall.
-- materialized: incremental_by_group
-- group_by: submitted_date
-- input core.subject_sentiment affects: authored_date
-- input core.feedback affects: submitted_date
-- column submitted_date: Day the feedback was submitted, in UTC.
-- column channel: Where it was given.
-- column model_version: Version of the model, or `vader`.
-- column texts: Texts with a predicted and an actual label.
-- column correct_predictions: Texts whose predicted label is the actual one.
-- column polarity_flips: Negative texts predicted as positive, and the reverse.
-- column negative_actual: Texts that are actually negative.
-- column negative_true_positives: Those of them that the model predicted as negative.
-- column neutral_actual: Texts that are actually neutral.
-- column neutral_true_positives: Those of them that the model predicted as neutral.
-- column positive_actual: Texts that are actually positive.
-- column positive_true_positives: Those of them that the model predicted as positive.
with actual as (
    select
        feedback_id,
        submitted_date,
        channel,
        coalesce(label, rating_label) as label
    from core.feedback
),
predicted as (
    select subject_id, authored_date, model_version, label
    from core.subject_sentiment
    where subject = 'feedback' and label is not null
)
select
    submitted_date,
    channel,
    model_version,
    count(*) as texts,
    count(*) filter (where predicted.label = actual.label) as correct_predictions,
    count(*) filter (
        where predicted.label <> actual.label and 'neutral' not in (predicted.label, actual.label)
    ) as polarity_flips,
    count(*) filter (where actual.label = 'negative') as negative_actual,
    count(*) filter (where actual.label = 'negative' and predicted.label = actual.label) as negative_true_positives,
    count(*) filter (where actual.label = 'neutral') as neutral_actual,
    count(*) filter (where actual.label = 'neutral' and predicted.label = actual.label) as neutral_true_positives,
    count(*) filter (where actual.label = 'positive') as positive_actual,
    count(*) filter (where actual.label = 'positive' and predicted.label = actual.label) as positive_true_positives
from actual
inner join predicted
    on predicted.subject_id = actual.feedback_id and predicted.authored_date = actual.submitted_date
where actual.label is not null
group by all
