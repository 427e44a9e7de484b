-- grain: One row per day, platform and language.
-- key: posted_date, platform, language
-- domain: data_science
-- description: How much was posted where. Posts of which only the deletion was seen are left out.
-- materialized: incremental_by_group
-- group_by: posted_date
-- input core.posts affects: posted_date
-- column posted_date: Day of posting, in UTC.
-- column platform: Such as `bluesky`, `mastodon` or `twitter`.
-- column language: ISO 639 code as declared, `und` where none was.
-- column posts: Posts, replies and reposts included, deleted ones not.
-- column authors: Authors of those posts.
-- column replies: Posts that answer another.
-- column reposts: Posts that repeat another.
-- column deleted: Posts that were deleted since.
-- column labelled_negative: Posts that a person labelled negative.
-- column labelled_neutral: Posts that a person labelled neutral.
-- column labelled_positive: Posts that a person labelled positive.
select
    posted_date,
    platform,
    language,
    count(*) filter (where not is_deleted) as posts,
    count(distinct author) as authors,
    count(*) filter (where is_reply and not is_deleted) as replies,
    count(*) filter (where is_repost and not is_deleted) as reposts,
    count(*) filter (where is_deleted) as deleted,
    count(*) filter (where label = 'negative') as labelled_negative,
    count(*) filter (where label = 'neutral') as labelled_neutral,
    count(*) filter (where label = 'positive') as labelled_positive
from core.posts
where posted_date is not null
group by posted_date, platform, language
