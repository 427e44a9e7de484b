"""Observations of the weather."""

from typing import Annotated

from msgspec import Meta

from headrace.contracts.topic import event_topic
from headrace.contracts.types import Event, Identifier, Reference, about

Period = Annotated[int, Meta(ge=1, le=31_622_400)]


class WeatherObservation(Event, kw_only=True, frozen=True):
    """One observation at a station, over the period that ends at `event_time`, in SI units."""

    station: Annotated[Identifier, about("Station or place.")]
    period_s: Annotated[Period, about("Length of the period observed, in seconds.")]
    temperature_c: Annotated[float | None, about("Air temperature, degrees Celsius.")] = None
    temperature_min_c: Annotated[float | None, about("Lowest of the period, degrees Celsius.")] = None
    temperature_max_c: Annotated[float | None, about("Highest of the period, degrees Celsius.")] = None
    dew_point_c: Annotated[float | None, about("Dew point, degrees Celsius.")] = None
    relative_humidity_pct: Annotated[float | None, about("Relative humidity, percent.")] = None
    wind_speed_ms: Annotated[float | None, about("Wind speed, meters per second.")] = None
    wind_gust_ms: Annotated[float | None, about("Strongest gust, meters per second.")] = None
    wind_direction_deg: Annotated[float | None, about("Direction that the wind blows from, degrees from north.")] = None
    precipitation_mm: Annotated[float | None, about("Precipitation over the period, millimeters.")] = None
    pressure_hpa: Annotated[float | None, about("Sea-level pressure, hectopascal.")] = None
    visibility_m: Annotated[float | None, about("Visibility, meters.")] = None
    condition: Annotated[Reference | None, about("The source's word for the weather, such as `rain`.")] = None


WEATHER_DATA = event_topic("weather_data", WeatherObservation, key="station", partitions=2, days=30)
