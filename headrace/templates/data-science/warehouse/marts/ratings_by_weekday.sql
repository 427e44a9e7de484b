-- grain: One row per day of the week.
-- key: weekday
-- domain: PROJECT_DOMAIN
-- description: How people rate on each day of the week.
-- materialized: incremental_by_group
-- group_by: weekday
-- input core.feedback affects: isodow(submitted_date)
-- column weekday: Day of the week in UTC, from 1 (Monday) to 7.
-- column ratings: Number of ratings.
-- column mean_rating: Mean of the stars, 1 to 5.
select
    isodow(submitted_date) as weekday,
    count(rating) as ratings,
    (sum(rating) / count(rating))::decimal(5, 3) as mean_rating
from core.feedback
where rating is not null
group by weekday
