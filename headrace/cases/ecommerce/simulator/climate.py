"""Weather at the shop's three places, hour by hour, and its effect on moods."""

import math
import random
from dataclasses import dataclass
from datetime import datetime

from headrace.cases.data_science.topics.weather_data import WeatherObservation

HOUR_S = 3_600
STATIONS = {"London": (11.0, 7.0), "Berlin": (10.0, 10.0), "Madrid": (15.5, 10.5)}
"""Mean temperature of the year, and half its range, in degrees Celsius."""
NEAREST = {"United Kingdom": "London", "Ireland": "London", "France": "Madrid", "Germany": "Berlin", "Spain": "Madrid"}
_COLDEST_DAY, _COLDEST_HOUR = 20, 5


@dataclass
class _Station:
    anomaly_c: float = 0.0
    wetness: float = 0.0
    mood: float = 0.0


class Climate:
    """Each hour depends on the one before, by a first-order autoregression."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._stations = {name: _Station() for name in STATIONS}

    def mood(self, country: str) -> float:
        """The effect on people in this country, from about -1 (storm and rain) to 0.3 (a mild dry day)."""
        return self._stations[NEAREST[country]].mood

    def observe(self, station: str, time: datetime, event_id: str, source: str) -> WeatherObservation:
        """The hour that ends at `time`."""
        state, rng = self._stations[station], self._rng
        state.anomaly_c = 0.97 * state.anomaly_c + rng.gauss(0, 0.8)
        state.wetness = 0.93 * state.wetness + rng.gauss(0, 0.37)
        mean_c, half_range_c = STATIONS[station]
        season = -math.cos(2 * math.pi * (time.timetuple().tm_yday - _COLDEST_DAY) / 365.25)
        hour = -math.cos(2 * math.pi * (time.hour - _COLDEST_HOUR) / 24)
        temperature_c = mean_c + half_range_c * season + 3.5 * hour + state.anomaly_c
        precipitation_mm = max(0.0, state.wetness - 0.9) * 2.2
        humidity_pct = min(100.0, max(25.0, 68 + 16 * state.wetness - 6 * hour))
        wind_ms = abs(3.5 + 2.2 * state.wetness + rng.gauss(0, 1.0))
        state.mood = 0.3 - min(0.9, precipitation_mm * 0.4) - min(0.4, abs(temperature_c - 19) / 60)
        return WeatherObservation(
            event_id=event_id,
            event_time=time,
            source=source,
            station=station,
            period_s=HOUR_S,
            temperature_c=round(temperature_c, 1),
            dew_point_c=round(temperature_c - (100 - humidity_pct) / 5, 1),
            relative_humidity_pct=round(humidity_pct, 1),
            wind_speed_ms=round(wind_ms, 1),
            wind_direction_deg=float(rng.randrange(0, 360, 10)),
            precipitation_mm=round(precipitation_mm, 1),
            pressure_hpa=round(1_014 - 7 * state.wetness + rng.gauss(0, 0.5), 1),
            visibility_m=float(round(max(800.0, 20_000 - 9_000 * max(0.0, state.wetness)), -2)),
            condition=_condition(temperature_c, precipitation_mm, state.wetness),
        )


def _condition(temperature_c: float, precipitation_mm: float, wetness: float) -> str:
    if precipitation_mm > 0:
        if temperature_c < 0.5:
            return "snow"
        return "rain" if precipitation_mm > 0.5 else "drizzle"
    return "cloudy" if wetness > 0 else "sun"
