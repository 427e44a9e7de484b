"""The weather source: the hours that have passed at configured places, from Open-Meteo and met.no.

Position: what makes the next request conditional; the version of each hour sent, so that an hour goes out again only
when it was corrected; its values, so that no correction leaves one out; and hashes of what was rejected, so that it is
rejected once. Forecasts of hours to come are not observations and are ignored.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from importlib.metadata import version
from typing import Any, ClassVar

import httpx

from headrace.cases.data_science.sources.weather.files import TOPIC
from headrace.cases.data_science.sources.weather.forecasts import (
    MET_NO,
    OPEN_METEO,
    Hour,
    InvalidHour,
    Values,
    end_of,
    measured,
    met_no_hours,
    observation,
    open_meteo_hours,
)
from headrace.contracts import clock
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.sources.live.http import body, client, http_date, opened
from headrace.streaming.sources.live.sessions import again_and_again
from headrace.streaming.sources.live.source import Batch
from headrace.streaming.sources.outcomes import Accepted, Ignored, Outcome, Rejected

REMEMBERED_HOURS = 240
REMEMBERED_REJECTIONS = 1_000
FORESEEN = timedelta(hours=2)
"""Values of an hour are remembered from this long before its end, since later responses may omit them."""
UNCHANGED, NOT_MEASURED = "unchanged", "still to come, or not measured"
LEAST_SECONDS_BETWEEN_REQUESTS = 0.2
"""Over all places: both providers allow more."""
LONGEST_PAUSE_SECONDS = 7_200.0
NOT_MODIFIED = 304


@dataclass(frozen=True)
class Provider:
    """How a provider is asked, and how its answer is read."""

    name: str
    media_type: str
    parameters: Callable[[float, float], Mapping[str, str]]
    hours: Callable[[bytes], Iterator[Hour]]
    fields: dict[str, tuple[str, str]]


def _ask_open_meteo(latitude: float, longitude: float) -> Mapping[str, str]:
    return {
        "latitude": f"{latitude:.4f}",
        "longitude": f"{longitude:.4f}",
        "hourly": ",".join([*OPEN_METEO, "weather_code"]),
        "wind_speed_unit": "ms",
        "timezone": "GMT",
        "past_days": "1",
        "forecast_days": "1",
    }


def _ask_met_no(latitude: float, longitude: float) -> Mapping[str, str]:
    # Their terms: no more than four decimals, or the cache does not help.
    return {"lat": f"{latitude:.4f}", "lon": f"{longitude:.4f}"}


PROVIDERS = {
    "open-meteo": Provider("open-meteo", "application/json", _ask_open_meteo, open_meteo_hours, OPEN_METEO),
    "met.no": Provider("met.no", "application/json", _ask_met_no, met_no_hours, MET_NO),
}


class _Pacer:
    """Keeps the requests of all places apart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        with self._lock:
            time.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + LEAST_SECONDS_BETWEEN_REQUESTS


_pacer = _Pacer()


class Place:
    """One place at one provider."""

    name: ClassVar[str] = "weather"
    topics: ClassVar[tuple[str, ...]] = (TOPIC,)

    def __init__(
        self,
        provider: Provider,
        url: str,
        station: str,
        latitude: float,
        longitude: float,
        *,
        contact: str,
        poll_seconds: float,
        clock: Callable[[], datetime] = clock.now,
    ) -> None:
        self._provider = provider
        self._url = url
        self._station = station
        self._parameters = provider.parameters(latitude, longitude)
        self._user_agent = f"headrace/{version('headrace')} {contact}".strip()
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._conditions: dict[str, str] = {}
        self._versions: dict[str, str] = {}
        self._values: dict[str, Values] = {}
        self._rejected: dict[str, None] = {}

    @property
    def stream(self) -> str:
        return f"{self._provider.name}/{self._station}"

    def read(self, position: Any) -> Iterator[Batch]:
        stored = position or {}
        self._conditions = dict(stored.get("conditions", {}))
        self._versions = dict(stored.get("versions", {}))
        self._values = dict(stored.get("values", {}))
        self._rejected = dict.fromkeys(stored.get("rejected", []))
        return again_and_again(self.name, self._session)

    def _session(self) -> Iterator[Batch]:
        with client(self._user_agent) as session:
            while True:
                _pacer.wait()
                pause = self._poll_seconds
                with opened(
                    session, self._url, self._provider.media_type, self._parameters, self._conditions
                ) as response:
                    pause = self._pause(response)
                    if response.status_code != NOT_MODIFIED:
                        batch = self._batch(body(response), response.headers)
                        yield batch
                time.sleep(pause)

    def _batch(self, answer: bytes, headers: httpx.Headers) -> Batch:
        now = self._clock()
        outcomes = [self._outcome(hour, number, now) for number, hour in enumerate(self._provider.hours(answer), 1)]
        sent = {"If-None-Match": headers.get("etag"), "If-Modified-Since": headers.get("last-modified")}
        self._conditions = {name: value for name, value in sent.items() if value}
        self._versions = dict(sorted(self._versions.items())[-REMEMBERED_HOURS:])
        self._values = dict(sorted(self._values.items())[-REMEMBERED_HOURS:])
        self._rejected = dict.fromkeys(list(self._rejected)[-REMEMBERED_REJECTIONS:])
        position = {
            "conditions": self._conditions,
            "versions": self._versions,
            "values": self._values,
            "rejected": list(self._rejected),
        }
        return Batch(outcomes, position)

    def _outcome(self, hour: Hour, number: int, now: datetime) -> Outcome:
        try:
            end = end_of(hour)
        except InvalidHour as invalid:
            return self._reject(hour, number, invalid)
        if end > now + FORESEEN:
            return Ignored(NOT_MEASURED)
        key = f"{end:%Y-%m-%dT%H:%M:%SZ}"
        try:
            # A value that is missing from this response but was in the previous one is kept: met.no reports the rain of
            # an hour with the hour before it, which the next response no longer has.
            values = self._values.get(key, {}) | measured(hour, self._provider.fields)
        except InvalidHour as invalid:
            return self._reject(hour, number, invalid) if end <= now else Ignored(NOT_MEASURED)
        if values:
            self._values[key] = values
        if end > now or not values:
            return Ignored(NOT_MEASURED)
        event = observation(end, values, self._station, self._provider.name)
        version_of_hour = event.event_id.rpartition("-")[2]
        if self._versions.get(key) == version_of_hour:
            return Ignored(UNCHANGED)
        self._versions[key] = version_of_hour
        return Accepted(TOPIC, event.station.encode(errors="surrogatepass"), event, hour.raw, number)

    def _reject(self, hour: Hour, number: int, invalid: InvalidHour) -> Outcome:
        """Once: an answer repeats most of the one before it."""
        hashed = _hash(hour.raw)
        known = hashed in self._rejected
        self._rejected.pop(hashed, None)
        self._rejected[hashed] = None
        return Ignored(UNCHANGED) if known else Rejected(TOPIC, str(invalid), hour.raw, number)

    def _pause(self, response: httpx.Response) -> float:
        """Until the next request: not before the answer expires, as met.no's terms demand."""
        expires = http_date(response.headers.get("expires"))
        fresh = (expires - self._clock()).total_seconds() if expires else 0.0
        return min(max(self._poll_seconds, fresh), max(self._poll_seconds, LONGEST_PAUSE_SECONDS))


def _hash(raw: bytes) -> str:
    """A short hash of what was rejected."""
    return blake2b(raw, digest_size=6).hexdigest()


def check(settings: Settings) -> None:
    """Check the settings.

    Raises:
        Terminal: no places or providers, or met.no without a contact.
    """
    names = settings.weather_providers
    for name in names:
        if name not in PROVIDERS:
            raise Terminal(f"There is no weather provider {name}.", remedy=f"There are: {', '.join(PROVIDERS)}.")
    if "met.no" in names and not settings.weather_contact:
        raise Terminal(
            "met.no demands a contact in the User-Agent.", remedy="Set HEADRACE_WEATHER_CONTACT to your address."
        )
    if not names:
        raise Terminal("No weather provider is named.", remedy="Set HEADRACE_WEATHER_PROVIDERS to `open-meteo`.")
    if not places_of(settings.weather_places):
        raise Terminal("No places are named.", remedy="Set HEADRACE_WEATHER_PLACES, such as `oslo=59.9139/10.7522`.")


def open_sources(settings: Settings) -> list[Place]:
    """The places of the settings, once for each provider. Raises the errors of `check`."""
    check(settings)
    names, places = settings.weather_providers, places_of(settings.weather_places)
    urls = {"open-meteo": settings.weather_open_meteo_url, "met.no": settings.weather_met_no_url}
    return [
        Place(
            PROVIDERS[name],
            urls[name],
            # Two providers report the same hour: each is then a separate station.
            station if len(names) == 1 else f"{station}@{name}",
            latitude,
            longitude,
            contact=settings.weather_contact,
            poll_seconds=settings.weather_poll_seconds,
        )
        for station, (latitude, longitude) in places.items()
        for name in names
    ]


def places_of(named: Iterable[str]) -> dict[str, tuple[float, float]]:
    """`name=latitude/longitude` of each place as coordinates by name.

    Raises:
        Terminal: it is not in this form.
    """
    places: dict[str, tuple[float, float]] = {}
    for part in named:
        name, _, coordinates = part.partition("=")
        try:
            latitude, longitude = map(float, coordinates.split("/"))
        except ValueError:
            latitude, longitude = 91.0, 0.0
        if not name.strip() or not abs(latitude) <= 90 or not abs(longitude) <= 180:
            raise Terminal(
                f"{part!r} is no place.", remedy="Write HEADRACE_WEATHER_PLACES as `name=latitude/longitude,…`."
            )
        places[name.strip()] = (latitude, longitude)
    return places
