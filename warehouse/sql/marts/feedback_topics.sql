-- grain: One row per month, channel and topic that feedback is about.
-- key: submitted_month, channel, topic
-- domain: data_science
-- description: What people write about, and their ratings. A text is about a topic if it contains one of its words, so
--     it may have several topics; `other` marks texts with none.
-- materialized: incremental_by_group
-- group_by: submitted_month
-- input core.feedback_topics affects: date_trunc('month', submitted_date)::date
-- column submitted_month: The month, by its first day.
-- column channel: How it was submitted.
-- column topic: `delivery`, `price`, `quality`, `fit and size`, `looks`, `comfort`, `service`, `food`, `battery and
--     sound` or `other`.
-- column texts: Forms and reviews with a text about it.
-- column share_pct: These in percent of all with a text, in that month and channel.
-- column rated: Those of them with a rating.
-- column mean_rating: Mean of their ratings, 1 to 5; empty without any.
-- column negative_pct: Ratings of 1 and 2, percent of those rated; empty without any.
-- column negative_ci_low_pct: Low end of the 95% interval of that share (Wilson 1927).
-- column negative_ci_high_pct: High end of that interval.
with about as (
    select date_trunc('month', submitted_date)::date as submitted_month, *
    from core.feedback_topics
),
totals as (
    select submitted_month, channel, count(distinct (source, feedback_id)) as texts from about group by all
),
counted as (
    select
        submitted_month,
        channel,
        topic,
        count(*) as texts,
        count(rating) as rated,
        sum(rating) as stars,
        count(*) filter (where rating_label = 'negative') as negative
    from about
    group by all
)
select
    submitted_month,
    channel,
    topic,
    counted.texts,
    (100 * counted.texts / totals.texts)::decimal(5, 2) as share_pct,
    rated,
    (stars / nullif(rated, 0))::decimal(5, 3) as mean_rating,
    (100 * negative / nullif(rated, 0))::decimal(5, 2) as negative_pct,
    {{ wilson_low_pct("negative", "rated") }} as negative_ci_low_pct,
    {{ wilson_high_pct("negative", "rated") }} as negative_ci_high_pct
from counted
inner join totals using (submitted_month, channel)
