-- One row per post or feedback that was scored.
-- key: subject, subject_id
-- case: data_science
-- description: What the sentiment model says of the latest version of each post and feedback. Of a deleted post nothing
--     is left but that it was there.
-- partition: year(said_date), month(said_date)
-- scope: subject, subject_id
-- input core.sentiment: subject, subject_id
-- volume: said_date
-- column subject: `post` or `feedback`.
-- column subject_id: `platform/post_id` of a post, or the id of the feedback.
-- column event_id: The event that told the latest score.
-- column platform: Platform of the post, or channel of the feedback.
-- column said_at: When it was posted or given, or last changed.
-- column said_date: That day, in UTC.
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
    event_time as said_at,
    event_time::date as said_date,
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
