-- One row per post or feedback with a label or stars given by a person.
select
    'post' as subject,
    platform || '/' || post_id as subject_id,
    platform as source,
    posted_at as authored_at,
    text,
    language,
    label
from core.posts
where not is_deleted and label is not null and text is not null
union all
select
    'feedback',
    feedback_id,
    channel,
    submitted_at,
    concat_ws(chr(10), title, text),
    null,
    coalesce(label, rating_label)
from core.feedback
where coalesce(label, rating_label) is not null and coalesce(title, text) is not null
order by all
