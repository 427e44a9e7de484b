-- title: How people rate, by day and channel
-- domain: data_science
-- chart: {"plugin": "Y Line", "group_by": ["submitted_date"], "split_by": ["channel"], "columns": ["mean_rating"], "aggregates": {"mean_rating": "avg"}}
select submitted_date, channel, mean_rating::double as mean_rating, responses, positive_ratings, negative_ratings
from marts.feedback_daily
order by all
