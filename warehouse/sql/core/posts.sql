-- grain: One row per public post.
-- key: platform, post_id
-- domain: data_science
-- description: Latest state of each post. Of a deleted post, only the fact that it existed is kept.
-- anomaly_check: posted_date
-- materialized: incremental_by_group
-- group_by: platform, post_id
-- input raw.social_media affects: platform, post_id
-- column platform: {{ about("social_media.platform") }}
-- column post_id: {{ about("social_media.post_id") }}
-- column event_id: The event with the latest state; sentiment refers to it.
-- column posted_at: When it was posted; empty where only its deletion was seen.
-- column posted_date: Day it was posted, in UTC.
-- column author: Pseudonym of the author; empty once deleted.
-- column text: Plain text; empty once deleted.
-- column language: {{ about("social_media.language") }}
-- column is_reply: {{ about("social_media.is_reply") }}
-- column is_repost: {{ about("social_media.is_repost") }}
-- column is_deleted: The post was deleted at its platform.
-- column label: {{ about("social_media.label") }} Empty once deleted.
-- column source: {{ about("social_media.source") }}
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
