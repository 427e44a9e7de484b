"""The weather source: observations as CSV, converted to SI units, to `weather_data`.

Two formats, distinguished by the header: hourly in US units (`origin`, `temp` in °F, …, `time_hour`), and daily in
metric units (`date`, `precipitation`, `temp_max`, …). Conversions are exact in decimal and rounded once, to a float.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial

from msgspec import Struct

from headrace.cases.data_science.topics.weather_data import WeatherObservation
from headrace.contracts.errors import Terminal
from headrace.contracts.types import derived_id
from headrace.streaming.sources.files import Piece
from headrace.streaming.sources.outcomes import EMPTY_LINE, Accepted, Ignored, Outcome, Rejected
from headrace.streaming.sources.rows import Row, read_rows
from headrace.streaming.sources.times import parse_utc

TOPIC = "weather_data"
SOURCE = "weather"
HOUR_S, DAY_S = 3_600, 86_400
MISSING = frozenset({"", "na", "nan", "null", "none"})
MAX_DIGITS, MAX_EXPONENT = 40, 9

_METERS_PER_SECOND_IN_MPH = Decimal("0.44704")
_MILLIMETERS_IN_INCH = Decimal("25.4")
_METERS_IN_MILE = Decimal("1609.344")


def _same(value: Decimal) -> Decimal:
    return value


def _celsius(fahrenheit: Decimal) -> Decimal:
    return (fahrenheit - 32) * 5 / 9


def _meters_per_second(miles_per_hour: Decimal) -> Decimal:
    return miles_per_hour * _METERS_PER_SECOND_IN_MPH


def _millimeters(inches: Decimal) -> Decimal:
    return inches * _MILLIMETERS_IN_INCH


def _meters(miles: Decimal) -> Decimal:
    return miles * _METERS_IN_MILE


class _Measure(Struct, frozen=True):
    """A column, the field that it becomes, and the conversion."""

    column: str
    field: str
    convert: Callable[[Decimal], Decimal] = _same


HOURLY_US = (
    _Measure("temp", "temperature_c", _celsius),
    _Measure("dewp", "dew_point_c", _celsius),
    _Measure("humid", "relative_humidity_pct"),
    _Measure("wind_dir", "wind_direction_deg"),
    _Measure("wind_speed", "wind_speed_ms", _meters_per_second),
    _Measure("wind_gust", "wind_gust_ms", _meters_per_second),
    _Measure("precip", "precipitation_mm", _millimeters),
    _Measure("pressure", "pressure_hpa"),
    _Measure("visib", "visibility_m", _meters),
)
DAILY_METRIC = (
    _Measure("precipitation", "precipitation_mm"),
    _Measure("temp_max", "temperature_max_c"),
    _Measure("temp_min", "temperature_min_c"),
    _Measure("wind", "wind_speed_ms"),
)
POSSIBLE: dict[str, tuple[int, int]] = {
    "temperature_c": (-95, 65),
    "temperature_min_c": (-95, 65),
    "temperature_max_c": (-95, 65),
    "dew_point_c": (-110, 50),
    "relative_humidity_pct": (0, 110),
    "wind_speed_ms": (0, 115),
    "wind_gust_ms": (0, 135),
    "wind_direction_deg": (0, 360),
    "precipitation_mm": (0, 2_000),
    "pressure_hpa": (850, 1_100),
    "visibility_m": (0, 500_000),
}
"""Ranges a little wider than the records on Earth; supersaturated air is a little above 100 percent."""


class InvalidObservation(Exception):  # noqa: N818  a verdict on the row, not a failure
    """The row is not an observation; the message has the reason."""


def outcomes(pieces: Iterable[Piece], station: str) -> Iterator[Outcome]:
    """One outcome per row. `station` names the place if the file does not.

    Raises:
        Terminal: the header is in neither format.
    """
    columns, rows = read_rows(pieces)
    if {"time_hour", "origin"} | {measure.column for measure in HOURLY_US} <= set(columns):
        parse = _hourly
    elif {"date", "weather"} | {measure.column for measure in DAILY_METRIC} <= set(columns):
        parse = partial(_daily, station)
    else:
        raise Terminal(
            f"The columns {', '.join(columns)[:200]} are in no known format.",
            remedy="Give hourly rows in US units (time_hour, origin, temp, …) or daily ones in metric units (date, …).",
        )
    for row in rows:
        if row.is_blank:
            yield Ignored(EMPTY_LINE)
        elif row.error is not None:
            yield Rejected(TOPIC, row.error, row.raw, row.number, size=row.size)
        else:
            try:
                event = parse(row)
            except InvalidObservation as invalid:
                yield Rejected(TOPIC, str(invalid), row.raw, row.number)
            else:
                yield Accepted(TOPIC, event.station.encode(), event, row.raw, row.number)


def _hourly(row: Row) -> WeatherObservation:
    station = row.values["origin"].strip()
    if not station:
        raise InvalidObservation("no station in origin")
    return _observation(row, station, _time(row, "time_hour"), HOUR_S, HOURLY_US, None)


def _daily(station: str, row: Row) -> WeatherObservation:
    # The last second of the day: the end of the observed period, and still on that day.
    end = _time(row, "date").replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(seconds=DAY_S - 1)
    return _observation(row, station, end, DAY_S, DAILY_METRIC, row.values["weather"].strip() or None)


def _observation(
    row: Row, station: str, end: datetime, period_s: int, measures: tuple[_Measure, ...], condition: str | None
) -> WeatherObservation:
    values = {measure.field: _value(row, measure) for measure in measures}
    lowest, highest = values.get("temperature_min_c"), values.get("temperature_max_c")
    if lowest is not None and highest is not None and lowest > highest:
        raise InvalidObservation("lowest temperature above the highest")
    return WeatherObservation(
        event_id=derived_id(SOURCE, f"{station}-{period_s}-{end:%Y%m%dT%H%M%SZ}"),
        event_time=end,
        source=SOURCE,
        station=station,
        period_s=period_s,
        condition=condition,
        **values,
    )


def _time(row: Row, column: str) -> datetime:
    try:
        return parse_utc(row.values[column].strip())
    except ValueError:
        raise InvalidObservation(f"{column} is not an ISO 8601 time") from None


def _value(row: Row, measure: _Measure) -> float | None:
    text = row.values[measure.column].strip()
    if text.lower() in MISSING:
        return None
    try:
        given = Decimal(text)
    except InvalidOperation:
        raise InvalidObservation(f"{measure.column} is not a number") from None
    lowest, highest = POSSIBLE[measure.field]
    if not given.is_finite() or len(text) > MAX_DIGITS:
        raise InvalidObservation(f"{measure.column} is not a number")
    if given.adjusted() > MAX_EXPONENT or not lowest <= (value := measure.convert(given)) <= highest:
        raise InvalidObservation(f"{measure.column} is impossible: {measure.field} outside {lowest} to {highest}")
    return float(value)
