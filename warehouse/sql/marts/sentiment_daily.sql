-- grain: One row per day, platform and subject.
-- key: authored_date, platform, subject
-- domain: data_science
-- description: How posts and feedback feel, with 95% intervals (Wilson 1927, "Probable Inference, the Law of
--     Succession, and Statistical Inference"): with few texts they are wide. Deleted ones are left out.
-- materialized: incremental_by_group
-- group_by: authored_date
-- input core.subject_sentiment affects: authored_date
-- column authored_date: Day it was posted or submitted, in UTC.
-- column platform: Platform of the posts, or channel of the feedback.
-- column subject: `post` or `feedback`.
-- column scored: Texts that the model read.
-- column unreadable: Texts that it could not read.
-- column negative: Texts with the label `negative`.
-- column neutral: Texts with the label `neutral`.
-- column positive: Texts with the label `positive`.
-- column positive_pct: Percent of those read; empty without any, as all that follows.
-- column positive_ci_low_pct: Low end of its interval.
-- column positive_ci_high_pct: High end of its interval.
-- column negative_pct: Percent of those read.
-- column negative_ci_low_pct: Low end of its interval.
-- column negative_ci_high_pct: High end of its interval.
-- column net_sentiment_pct: Positive less negative percent, from -100 to 100.
-- column mean_positive: Mean probability of `positive`.
with counted as (
    select
        authored_date,
        platform,
        subject,
        count(label) as scored,
        count(unreadable_reason) as unreadable,
        count(*) filter (where label = 'negative') as negative,
        count(*) filter (where label = 'neutral') as neutral,
        count(*) filter (where label = 'positive') as positive,
        avg(positive) filter (where label is not null) as mean_positive
    from core.subject_sentiment
    where not is_deleted
    group by all
)
select
    authored_date,
    platform,
    subject,
    scored,
    unreadable,
    negative,
    neutral,
    positive,
    (100 * positive / nullif(scored, 0))::decimal(5, 2) as positive_pct,
    {{ wilson_low_pct("positive", "scored") }} as positive_ci_low_pct,
    {{ wilson_high_pct("positive", "scored") }} as positive_ci_high_pct,
    (100 * negative / nullif(scored, 0))::decimal(5, 2) as negative_pct,
    {{ wilson_low_pct("negative", "scored") }} as negative_ci_low_pct,
    {{ wilson_high_pct("negative", "scored") }} as negative_ci_high_pct,
    (100 * (positive - negative) / nullif(scored, 0))::decimal(5, 2) as net_sentiment_pct,
    mean_positive::decimal(9, 4) as mean_positive
from counted
