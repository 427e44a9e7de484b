-- One row per post or feedback that a person has judged: by a label, or by stars (1 and 2, 3, 4 and 5).
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
    coalesce(label, case when rating <= 2 then 'negative' when rating = 3 then 'neutral' else 'positive' end)
from core.feedback
where coalesce(label, rating::varchar) is not null and coalesce(title, text) is not null
order by all
