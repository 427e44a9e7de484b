-- grain: One row per station, subject and kind of weather.
-- key: station, subject, weather
-- domain: data_science
-- description: Whether sentiment differs with the weather. Days are compared, not texts, since the texts of one day are
--     not independent. Intervals are over days, and empty below 5 days. Weather correlates with the season, so a
--     difference does not show a cause.
-- materialized: incremental_by_group
-- group_by: station, subject
-- input marts.sentiment_weather_daily affects: station, subject
-- column station: Station or place of the weather.
-- column subject: `post` or `feedback`.
-- column weather: `wet` or `dry`, by precipitation; `freezing`, `cool` or `warm`, by temperature.
-- column days: Days with such weather and with texts.
-- column scored: Texts of these days that the model read.
-- column mean_daily_positive_pct: Mean over the days of the positive percent of each.
-- column positive_ci_low_pct: Low end of the 95% interval of that mean; empty below 5 days.
-- column positive_ci_high_pct: High end of it; empty below 5 days.
-- column mean_daily_negative_pct: Mean over the days of the negative percent of each.
-- column positive_pct: Positive texts in percent of all, for comparison: days with many texts weigh more.
with kinds as (
    select *, unnest([precipitation, temperature]) as weather
    from marts.sentiment_weather_daily
),
-- Exact sums: a running variance would depend on the order of the days.
summed as (
    select
        station,
        subject,
        weather,
        count(*) as days,
        sum(scored)::bigint as scored,
        sum(positive)::bigint as positive,
        avg(positive_pct) as mean,
        avg(negative_pct) as mean_negative,
        if(
            count(*) >= 5,
            1.96 * sqrt(
                (count(*) * sum(positive_pct::decimal(18, 4) * positive_pct) - sum(positive_pct) * sum(positive_pct))
                ::double / (count(*) * (count(*) - 1))
            ) / sqrt(count(*)),
            null
        ) as margin_of_error
    from kinds
    where weather is not null
    group by all
)
select
    station,
    subject,
    weather,
    days,
    scored,
    mean::decimal(9, 2) as mean_daily_positive_pct,
    (mean - margin_of_error)::decimal(9, 2) as positive_ci_low_pct,
    (mean + margin_of_error)::decimal(9, 2) as positive_ci_high_pct,
    mean_negative::decimal(9, 2) as mean_daily_negative_pct,
    (100 * positive / scored)::decimal(5, 2) as positive_pct
from summed
