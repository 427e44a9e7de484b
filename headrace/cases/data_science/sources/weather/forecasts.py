"""Answers of Open-Meteo and met.no as hours, and hours as observations in SI units and UTC. Pure: no HTTP, no clock."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from typing import Any, cast

import msgspec

from headrace.cases.data_science.sources.weather.files import HOUR_S, POSSIBLE, SOURCE
from headrace.cases.data_science.topics.weather_data import WeatherObservation
from headrace.contracts.errors import Transient
from headrace.contracts.types import derived_id
from headrace.streaming.sources.times import parse_utc

Convert = Callable[[Decimal], Decimal]
Values = dict[str, float | str]
"""What an hour was like: measures by the contract's fields, and the condition."""
CONDITION = "condition"


def _scaled(factor: str) -> Convert:
    return lambda value: value * Decimal(factor)


def _same(value: Decimal) -> Decimal:
    return value


def _celsius(fahrenheit: Decimal) -> Decimal:
    return (fahrenheit - 32) * 5 / 9


UNITS: dict[str, dict[str, Convert]] = {
    "c": {"°C": _same, "celsius": _same, "°F": _celsius, "fahrenheit": _celsius},
    "ms": {"m/s": _same, "ms": _same, "km/h": _scaled("0.2777777777777778"), "mp/h": _scaled("0.44704"),
           "mph": _scaled("0.44704"), "kn": _scaled("0.5144444444444445"), "knots": _scaled("0.5144444444444445")},
    "mm": {"mm": _same, "inch": _scaled("25.4"), "cm": _scaled("10")},
    "hpa": {"hPa": _same},
    "m": {"m": _same, "km": _scaled("1000"), "ft": _scaled("0.3048")},
    "pct": {"%": _same},
    "deg": {"°": _same, "degrees": _same},
}  # fmt: skip
"""The units that each kind of quantity may have, and their conversion to the contract's unit."""

OPEN_METEO: dict[str, tuple[str, str]] = {
    "temperature_2m": ("temperature_c", "c"),
    "dew_point_2m": ("dew_point_c", "c"),
    "relative_humidity_2m": ("relative_humidity_pct", "pct"),
    "wind_speed_10m": ("wind_speed_ms", "ms"),
    "wind_gusts_10m": ("wind_gust_ms", "ms"),
    "wind_direction_10m": ("wind_direction_deg", "deg"),
    "precipitation": ("precipitation_mm", "mm"),
    "pressure_msl": ("pressure_hpa", "hpa"),
    "visibility": ("visibility_m", "m"),
}
MET_NO: dict[str, tuple[str, str]] = {
    "air_temperature": ("temperature_c", "c"),
    "dew_point_temperature": ("dew_point_c", "c"),
    "relative_humidity": ("relative_humidity_pct", "pct"),
    "wind_speed": ("wind_speed_ms", "ms"),
    "wind_speed_of_gust": ("wind_gust_ms", "ms"),
    "wind_from_direction": ("wind_direction_deg", "deg"),
    "precipitation_amount": ("precipitation_mm", "mm"),
    "air_pressure_at_sea_level": ("pressure_hpa", "hpa"),
}
# The groups of the WMO's codes that Open-Meteo uses (its documentation lists them).
_CONDITIONS = {
    0: "clear", 1: "mainly clear", 2: "partly cloudy", 3: "overcast", 45: "fog", 48: "fog",
    51: "drizzle", 53: "drizzle", 55: "drizzle", 56: "freezing drizzle", 57: "freezing drizzle",
    61: "rain", 63: "rain", 65: "rain", 66: "freezing rain", 67: "freezing rain",
    71: "snow", 73: "snow", 75: "snow", 77: "snow", 80: "rain showers", 81: "rain showers", 82: "rain showers",
    85: "snow showers", 86: "snow showers",
    95: "thunderstorm", 96: "thunderstorm with hail", 99: "thunderstorm with hail",
}  # fmt: skip


class Hour(msgspec.Struct, frozen=True):
    """What an answer says of one hour, as it says it: `raw` is what becomes a dead letter where it is impossible."""

    raw: bytes
    time: str
    offset_s: int
    values: dict[str, Any]
    units: dict[str, str]
    condition: str | None = None


class InvalidHour(Exception):  # noqa: N818  a verdict on the hour, not a failure
    """The hour is no observation; the message says why."""


class _OpenMeteo(msgspec.Struct):
    hourly: dict[str, list[Any]]
    hourly_units: dict[str, str] = {}
    utc_offset_seconds: int = 0


class _MetNoProperties(msgspec.Struct):
    timeseries: list[msgspec.Raw]
    meta: dict[str, Any] = {}


class _MetNo(msgspec.Struct):
    properties: _MetNoProperties


class _Details(msgspec.Struct, frozen=True):
    details: dict[str, Any] = {}
    summary: dict[str, Any] = {}


class _MetNoData(msgspec.Struct, frozen=True):
    instant: _Details = _Details()
    next_1_hours: _Details = _Details()


class _MetNoHour(msgspec.Struct):
    time: str = ""
    data: _MetNoData = _MetNoData()


def open_meteo_hours(answer: bytes) -> Iterator[Hour]:
    """The hours of a forecast of Open-Meteo.

    Raises:
        Transient: it is none.
    """
    forecast = _decoded(answer, _OpenMeteo)
    times = forecast.hourly.get("time", [])
    for place, time in enumerate(times):
        row = {name: column[place] if place < len(column) else None for name, column in forecast.hourly.items()}
        code = row.get("weather_code")
        yield Hour(
            raw=msgspec.json.encode(
                row | {"units": forecast.hourly_units, "utc_offset_seconds": forecast.utc_offset_seconds}
            ),
            time=str(time),
            offset_s=forecast.utc_offset_seconds,
            values={name: row.get(name) for name in OPEN_METEO},
            units={name: forecast.hourly_units.get(name, "") for name in OPEN_METEO},
            condition=_CONDITIONS.get(int(code), f"WMO code {code}") if isinstance(code, int | float) else None,
        )


def met_no_hours(answer: bytes) -> Iterator[Hour]:
    """The hours of a location forecast of met.no. The precipitation of an hour stands with the hour before it.

    Raises:
        Transient: it is none.
    """
    properties = _decoded(answer, _MetNo).properties
    given = properties.meta.get("units")
    units = cast("dict[str, str]", given) if isinstance(given, dict) else {}
    rain: tuple[str, Any] = ("", None)
    for raw in properties.timeseries:
        try:
            hour = msgspec.json.decode(raw, type=_MetNoHour)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield Hour(bytes(raw), "", 0, {}, units)
            continue
        values = {name: hour.data.instant.details.get(name) for name in MET_NO}
        values["precipitation_amount"] = rain[1] if rain[0] == hour.time else None
        following = hour.data.next_1_hours
        rain = (_an_hour_later(hour.time), following.details.get("precipitation_amount"))
        condition = following.summary.get("symbol_code")
        yield Hour(bytes(raw), hour.time, 0, values, units, str(condition) if condition else None)


def end_of(hour: Hour) -> datetime:
    """When the hour ends, in UTC.

    Raises:
        InvalidHour: it has no time.
    """
    try:
        return (parse_utc(hour.time) - timedelta(seconds=hour.offset_s)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidHour("time is not an ISO 8601 time") from None


def measured(hour: Hour, names: dict[str, tuple[str, str]]) -> Values:
    """What was measured in an hour, by the names of the contract's fields; nothing is left out that is not null.

    Raises:
        InvalidHour: it has something that cannot be.
    """
    values: Values = {}
    for name, (field, kind) in names.items():
        value = _value(name, hour.values.get(name), hour.units.get(name, ""), field, kind)
        if value is not None:
            values[field] = value
    if values and hour.condition is not None:
        values[CONDITION] = hour.condition
    return values


def observation(end: datetime, values: Values, station: str, provider: str) -> WeatherObservation:
    """The observation of the hour that ends then."""
    observed = WeatherObservation(
        event_id="", event_time=end, source=SOURCE, station=station, period_s=HOUR_S, **cast("dict[str, Any]", values)
    )
    return msgspec.structs.replace(observed, event_id=_event_id(observed, provider))


def _event_id(observed: WeatherObservation, provider: str) -> str:
    """The hour's, and that of what it says: a correction is another event for the same hour."""
    version = blake2b(msgspec.json.encode(observed), digest_size=6).hexdigest()
    return derived_id(
        f"{SOURCE}-{provider}", f"{observed.station}-{HOUR_S}-{observed.event_time:%Y%m%dT%H%M%SZ}-{version}"
    )


def _value(name: str, given: Any, unit: str, field: str, kind: str) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise InvalidHour(f"{name} is not a number")
    convert = UNITS[kind].get(unit)
    if convert is None:
        raise InvalidHour(f"{name} is in an unknown unit")
    try:
        value = convert(Decimal(str(given)))
    except InvalidOperation:
        raise InvalidHour(f"{name} is not a number") from None
    lowest, highest = POSSIBLE[field]
    if not value.is_finite() or not lowest <= value <= highest:
        raise InvalidHour(f"{name} is impossible: {field} outside {lowest} to {highest}")
    return float(value)


def _an_hour_later(time: str) -> str:
    try:
        return f"{parse_utc(time) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError):
        return ""


def _decoded(answer: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Transient("The answer is not the JSON that was asked for.") from None
