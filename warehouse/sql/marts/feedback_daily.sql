-- grain: One row per day and channel.
-- key: submitted_date, channel
-- domain: data_science
-- description: How much feedback came in, and how people rate.
-- materialized: incremental_by_group
-- group_by: submitted_date
-- input core.feedback affects: submitted_date
-- column submitted_date: Day the feedback was submitted, in UTC.
-- column channel: How it was submitted.
-- column responses: Forms and reviews.
-- column rated: Those with a rating.
-- column mean_rating: Mean of the ratings, 1 to 5; empty without any.
-- column positive_ratings: Ratings of 4 and 5.
-- column negative_ratings: Ratings of 1 and 2.
-- column with_text: Those in which something was written.
select
    submitted_date,
    channel,
    count(*) as responses,
    count(rating) as rated,
    (sum(rating) / count(rating))::decimal(5, 3) as mean_rating,
    count(*) filter (where rating_label = 'positive') as positive_ratings,
    count(*) filter (where rating_label = 'negative') as negative_ratings,
    count(*) filter (where trim(text) <> '') as with_text
from core.feedback
group by submitted_date, channel
