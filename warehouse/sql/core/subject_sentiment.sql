-- grain: One row per post or feedback that was scored.
-- key: subject, subject_id
-- domain: data_science
-- description: The sentiment model's score of the latest version of each post and feedback. Of a deleted post, only the
--     fact that it existed is kept.
-- partition: year(authored_date), month(authored_date)
-- materialized: incremental_by_group
-- group_by: subject, subject_id
-- input core.sentiment affects: subject, subject_id
-- anomaly_check: authored_date
-- column subject: `post` or `feedback`.
-- column subject_id: `platform/post_id` of a post, or the id of the feedback.
-- column event_id: The event that carried the latest score.
-- column platform: Platform of the post, or channel of the feedback.
-- column authored_at: When it was posted or submitted, or last changed.
-- column authored_date: That day, in UTC.
-- column language: Language detected.
-- column label: Most probable class; empty where unreadable or deleted.
-- column negative: Probability of `negative`.
-- column neutral: Probability of `neutral`.
-- column positive: Probability of `positive`.
-- column unreadable_reason: Why the model could not read it.
-- column is_deleted: It was deleted.
-- column model_version: Version of the model, or `vader`.
-- column scored_at: When the score was made.
select
    subject,
    subject_id,
    event_id,
    platform,
    event_time as authored_at,
    event_time::date as authored_date,
    language,
    label,
    negative::decimal(9, 6) as negative,
    neutral::decimal(9, 6) as neutral,
    positive::decimal(9, 6) as positive,
    unreadable_reason,
    deleted as is_deleted,
    model_version,
    scored_at
from core.sentiment
qualify row_number() over (
    partition by subject, subject_id order by scored_at desc, _offset desc, event_id desc
) = 1
