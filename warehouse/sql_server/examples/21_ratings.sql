-- title: How people rate, by day and channel
-- case: data_science
-- chart: {"plugin": "Y Line", "group_by": ["given_date"], "split_by": ["channel"], "columns": ["mean_rating"], "aggregates": {"mean_rating": "avg"}}
select given_date, channel, mean_rating::double as mean_rating, answers, positive_ratings, negative_ratings
from marts.feedback_daily
order by all
