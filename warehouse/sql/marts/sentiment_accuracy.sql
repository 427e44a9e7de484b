-- One row per day, channel of the feedback and version of the sentiment model.
-- key: given_date, channel, model_version
-- case: operations
-- description: What the sentiment model said of a feedback's text, against what the person meant: their label where there
--     is one, else their stars (1 and 2 are negative, 3 neutral, 4 and 5 positive). All columns add up over days: recall of
--     a class is `negative_told / negative`, and the mean of the three is the macro-recall.
-- scope: given_date
-- input core.subject_sentiment: said_date
-- input core.feedback: given_date
-- column given_date: Day the feedback was given, in UTC.
-- column channel: Where it was given.
-- column model_version: Version of the model, or `vader`.
-- column texts: Texts that the model read and the person judged.
-- column told: Texts of which the model said what the person meant.
-- column reversed: Negative ones called positive, and the reverse.
-- column negative: Texts meant as negative.
-- column negative_told: Those of them that the model called negative.
-- column neutral: Texts meant as neutral.
-- column neutral_told: Those of them that the model called neutral.
-- column positive: Texts meant as positive.
-- column positive_told: Those of them that the model called positive.
with meant as (
    select
        feedback_id,
        given_date,
        channel,
        coalesce(
            label,
            case when rating <= 2 then 'negative' when rating = 3 then 'neutral' when rating >= 4 then 'positive' end
        ) as meant
    from core.feedback
),
said as (
    select subject_id, said_date, model_version, label
    from core.subject_sentiment
    where subject = 'feedback' and label is not null
)
select
    given_date,
    channel,
    model_version,
    count(*) as texts,
    count(*) filter (where label = meant) as told,
    count(*) filter (where label <> meant and 'neutral' not in (label, meant)) as reversed,
    count(*) filter (where meant = 'negative') as negative,
    count(*) filter (where meant = 'negative' and label = meant) as negative_told,
    count(*) filter (where meant = 'neutral') as neutral,
    count(*) filter (where meant = 'neutral' and label = meant) as neutral_told,
    count(*) filter (where meant = 'positive') as positive,
    count(*) filter (where meant = 'positive' and label = meant) as positive_told
from meant
inner join said on said.subject_id = meant.feedback_id and said.said_date = meant.given_date
where meant is not null
group by all
