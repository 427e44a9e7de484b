-- title: Sentiment by weather, with the days behind it
-- domain: data_science
-- chart: {"plugin": "Y Bar", "group_by": ["weather"], "split_by": ["subject"], "columns": ["mean_daily_positive_pct"], "aggregates": {"mean_daily_positive_pct": "avg"}}
select
    station,
    weather,
    subject,
    days,
    mean_daily_positive_pct::double as mean_daily_positive_pct,
    positive_ci_low_pct::double as positive_ci_low_pct,
    positive_ci_high_pct::double as positive_ci_high_pct
from marts.sentiment_by_weather
order by all
