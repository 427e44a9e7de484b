-- grain: One row per day, station and subject, where both the weather and texts of the day are known.
-- key: authored_date, station, subject
-- domain: data_science
-- description: The sentiment of each day together with its weather. Texts have no location, so each station is compared
--     with all texts: choose the station where the people are.
-- materialized: incremental_by_group
-- group_by: authored_date
-- input core.subject_sentiment affects: authored_date
-- input marts.weather_daily affects: observed_date
-- column authored_date: The day, in UTC.
-- column station: Station or place of the weather.
-- column subject: `post` or `feedback`.
-- column scored: Texts of the day that the model read.
-- column positive: Those with the label `positive`.
-- column negative: Those with the label `negative`.
-- column positive_pct: Positive, percent of those read.
-- column negative_pct: Negative, percent of those read.
-- column mean_temperature_c: Mean air temperature, degrees Celsius.
-- column precipitation_mm: Precipitation, millimeters; empty where none was measured at all.
-- column mean_wind_speed_ms: Mean wind speed, meters per second.
-- column precipitation: `wet` from 1 mm on, `dry` below it; empty where not measured.
-- column temperature: `freezing` below 0 degrees, `cool` below 15, `warm` from there on; empty where not measured.
with texts as (
    select
        authored_date,
        subject,
        count(*) as scored,
        count(*) filter (where label = 'positive') as positive,
        count(*) filter (where label = 'negative') as negative
    from core.subject_sentiment
    where label is not null and not is_deleted
    group by all
),
-- If a station has hourly and daily observations of a day, the hourly ones are used.
weather as (
    select *
    from marts.weather_daily
    qualify row_number() over (partition by observed_date, station order by period_s) = 1
)
select
    texts.authored_date,
    weather.station,
    texts.subject,
    texts.scored,
    texts.positive,
    texts.negative,
    (100 * texts.positive / texts.scored)::decimal(9, 4) as positive_pct,
    (100 * texts.negative / texts.scored)::decimal(9, 4) as negative_pct,
    weather.mean_temperature_c,
    weather.precipitation_mm,
    weather.mean_wind_speed_ms,
    case
        when weather.precipitation_mm >= 1 then 'wet'
        when weather.precipitation_mm < 1 then 'dry'
    end as precipitation,
    case
        when weather.mean_temperature_c < 0 then 'freezing'
        when weather.mean_temperature_c < 15 then 'cool'
        when weather.mean_temperature_c >= 15 then 'warm'
    end as temperature
from texts
inner join weather on texts.authored_date = weather.observed_date
