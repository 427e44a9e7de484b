-- grain: One row per form or review with a text, and topic that it is about.
-- key: source, feedback_id, topic
-- domain: data_science
-- description: What people write about: a text is about a topic if it contains one of its words, so it may have several
--     topics; `other` marks texts with none.
-- materialized: incremental_by_group
-- group_by: source, feedback_id
-- input core.feedback affects: source, feedback_id
-- foreign_key source, feedback_id: core.feedback (source, feedback_id)
-- column source: The source that sent it.
-- column feedback_id: The form or review.
-- column topic: `delivery`, `price`, `quality`, `fit and size`, `looks`, `comfort`, `service`, `food`, `battery and
--     sound` or `other`.
-- column submitted_date: The day it was submitted, in UTC.
-- column channel: How it was submitted.
-- column rating: 1 to 5 stars; empty where none were asked for.
-- column rating_label: Class of the stars, as in core.feedback.
with words (topic, pattern) as (
    values
        ('delivery', '\b(deliver|ship|arriv|package|parcel|courier|late)'),
        ('price', '\b(price|pricey|cheap|expensive|cost|money|worth|value|afford|bargain|overpriced)'),
        ('quality', '\b(quality|broke|broken|defect|fell apart|durable|sturdy|flimsy|thin|material|fabric|seam)'),
        ('fit and size', '\b(fit|fits|fitted|size|sizes|sized|sizing|small|large|tight|loose|petite|length)\b'),
        ('looks', '\b(colou?r|look|looks|style|stylish|design|pattern|beautiful|pretty|ugly|cute)\b'),
        ('comfort', '\b(comfort|comfy|soft|itchy|scratchy|cozy|cosy)'),
        ('service', '\b(service|staff|waiter|waitress|server|support|rude|friendly|refund|return|customer)'),
        ('food', '\b(food|taste|tasty|delicious|flavou?r|meal|menu|dish|burger|pizza|chicken|dessert|bland)'),
        ('battery and sound', '\b(battery|charge|charger|charging|sound|volume|headset|bluetooth|reception|signal)')
),
texts as (
    select
        source,
        feedback_id,
        submitted_date,
        channel,
        rating,
        rating_label,
        lower(concat_ws(' ', title, text)) as written
    from core.feedback
    where trim(concat_ws(' ', title, text)) <> ''
)
select
    source,
    feedback_id,
    coalesce(topic, 'other') as topic,
    submitted_date,
    channel,
    rating,
    rating_label
from texts
left join words on regexp_matches(written, pattern)
