-- grain: One row per station and period observed.
-- key: station, period_s, observed_at
-- domain: data_science
-- description: Observations in SI units. A record that comes later corrects the one before it.
-- partition: year(observed_date)
-- row_check temperature is of this planet: temperature_c between -90 and 60
-- row_check humidity is a percentage: relative_humidity_pct between 0 and 100
-- row_check wind is not negative: least(wind_speed_ms, wind_gust_ms) >= 0
-- row_check pressure is at sea level: pressure_hpa between 850 and 1090
-- row_check precipitation is not negative: precipitation_mm >= 0
-- materialized: incremental_by_group
-- group_by: station, period_s, observed_at
-- input raw.weather_data affects: station, period_s, event_time
-- column station: {{ about("weather_data.station") }}
-- column period_s: {{ about("weather_data.period_s") }}
-- column observed_at: End of the period.
-- column observed_date: Day that the period lies in, in UTC: a period that ends at midnight is of the day before.
-- column temperature_c: {{ about("weather_data.temperature_c") }}
-- column temperature_min_c: {{ about("weather_data.temperature_min_c") }}
-- column temperature_max_c: {{ about("weather_data.temperature_max_c") }}
-- column dew_point_c: {{ about("weather_data.dew_point_c") }}
-- column relative_humidity_pct: {{ about("weather_data.relative_humidity_pct") }}
-- column wind_speed_ms: {{ about("weather_data.wind_speed_ms") }}
-- column wind_gust_ms: {{ about("weather_data.wind_gust_ms") }}
-- column wind_direction_deg: {{ about("weather_data.wind_direction_deg") }}
-- column precipitation_mm: {{ about("weather_data.precipitation_mm") }}
-- column pressure_hpa: {{ about("weather_data.pressure_hpa") }}
-- column visibility_m: {{ about("weather_data.visibility_m") }}
-- column condition: {{ about("weather_data.condition") }}
-- column source: {{ about("weather_data.source") }}
select
    station,
    period_s,
    event_time as observed_at,
    (event_time - interval 1 microsecond)::date as observed_date,
    temperature_c,
    temperature_min_c,
    temperature_max_c,
    dew_point_c,
    relative_humidity_pct,
    wind_speed_ms,
    wind_gust_ms,
    wind_direction_deg,
    precipitation_mm,
    pressure_hpa,
    visibility_m,
    condition,
    source
from (
    select
        *,
        {{ latest_arrival("station, period_s, event_time") }}
    from raw.weather_data
    where not _is_tombstone
)
{{ last_arrived("station, period_s, event_time") }}
