-- grain: One row per day, station and length of the periods observed.
-- key: observed_date, station, period_s
-- domain: data_science
-- description: The weather of each day, in SI units. Hourly and daily observations of a station are kept apart.
-- materialized: incremental_by_group
-- group_by: observed_date, station
-- input core.weather affects: observed_date, station
-- column observed_date: The day, in UTC.
-- column station: Station or place.
-- column period_s: Length of the periods observed, in seconds.
-- column observations: Number of periods observed.
-- column mean_temperature_c: Mean air temperature, degrees Celsius.
-- column min_temperature_c: Lowest temperature, degrees Celsius.
-- column max_temperature_c: Highest temperature, degrees Celsius.
-- column precipitation_mm: Precipitation, millimeters; empty where none was measured at all.
-- column mean_wind_speed_ms: Mean wind speed, meters per second.
-- column max_wind_ms: Strongest wind or gust, meters per second.
-- column mean_relative_humidity_pct: Mean relative humidity, percent.
-- column mean_pressure_hpa: Mean sea-level pressure, hectopascals.
with rounded as (
    -- A mean of doubles depends on the order of adding; of decimals it is the same in every build.
    select
        observed_date,
        station,
        period_s,
        try_cast(temperature_c as decimal(12, 4)) as temperature_c,
        try_cast(coalesce(temperature_min_c, temperature_c) as decimal(12, 4)) as temperature_min_c,
        try_cast(coalesce(temperature_max_c, temperature_c) as decimal(12, 4)) as temperature_max_c,
        try_cast(precipitation_mm as decimal(12, 4)) as precipitation_mm,
        try_cast(wind_speed_ms as decimal(12, 4)) as wind_speed_ms,
        try_cast(greatest(wind_gust_ms, wind_speed_ms) as decimal(12, 4)) as wind_max_ms,
        try_cast(relative_humidity_pct as decimal(12, 4)) as relative_humidity_pct,
        try_cast(pressure_hpa as decimal(12, 4)) as pressure_hpa
    from core.weather
)
select
    observed_date,
    station,
    period_s,
    count(*) as observations,
    avg(temperature_c)::decimal(12, 2) as mean_temperature_c,
    min(temperature_min_c)::decimal(12, 2) as min_temperature_c,
    max(temperature_max_c)::decimal(12, 2) as max_temperature_c,
    sum(precipitation_mm)::decimal(18, 2) as precipitation_mm,
    avg(wind_speed_ms)::decimal(12, 2) as mean_wind_speed_ms,
    max(wind_max_ms)::decimal(12, 2) as max_wind_ms,
    avg(relative_humidity_pct)::decimal(12, 2) as mean_relative_humidity_pct,
    avg(pressure_hpa)::decimal(12, 2) as mean_pressure_hpa
from rounded
group by observed_date, station, period_s
