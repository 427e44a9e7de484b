-- title: Temperature by day and station
-- domain: data_science
-- chart: {"plugin": "Y Line", "group_by": ["observed_date"], "split_by": ["station"], "columns": ["mean_temperature_c"], "aggregates": {"mean_temperature_c": "avg"}}
select observed_date, station, mean_temperature_c::double as mean_temperature_c, precipitation_mm::double as precipitation_mm
from marts.weather_daily
order by all
