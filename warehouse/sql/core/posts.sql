-- grain: One row per public post.
-- key: platform, post_id
-- domain: data_science
-- description: Latest state of each post. Of a deleted post, only the fact that it existed is kept.
-- anomaly_check: posted_date
-- materialized: incremental_by_group
-- group_by: platform, post_id
-- input raw.social_media affects: platform, post_id
-- column platform: Such as `bluesky`, `mastodon` or `twitter`.
-- column post_id: The platform's own id.
-- column event_id: The event with the latest state; sentiment refers to it.
-- column posted_at: When it was posted; empty where only its deletion was seen.
-- column posted_date: Day it was posted, in UTC.
-- column author: Pseudonym of the author; empty once deleted.
-- column text: Plain text; empty once deleted.
-- column language: ISO 639 code as declared.
-- column is_reply: Answers another post.
-- column is_repost: Repeats another post.
-- column is_deleted: The post was deleted at its platform.
-- column label: Sentiment given by a person, in labelled sets only; empty once deleted.
-- column source: The source that sent it.
with arrivals as (
    select *, {{ latest_arrival("platform, post_id") }}
    from raw.social_media
    where not _is_tombstone
),
deduplicated as (
    select *
    from arrivals
    {{ first_copy("platform, post_id") }}
),
-- A deletion is final, even where an edit that is older by its arrival claims a later time.
latest as (
    select
        *,
        bool_or(deleted) over post as is_deleted,
        min(event_time) filter (where not deleted) over post as posted_at
    from deduplicated
    window post as (partition by platform, post_id)
    {{ last_arrived("platform, post_id", first="deleted, event_time desc") }}
)
select
    platform,
    post_id,
    event_id,
    posted_at,
    posted_at::date as posted_date,
    if(is_deleted, null, author) as author,
    if(is_deleted, null, text) as text,
    coalesce(language, 'und') as language,
    is_reply,
    is_repost,
    is_deleted,
    if(is_deleted, null, label) as label,
    source
from latest
