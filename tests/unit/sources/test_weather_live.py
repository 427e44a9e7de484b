"""Weather by HTTP: units, hours, corrections, conditional requests, and impossible values."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from headrace.cases.data_science.sources.weather import live
from headrace.cases.data_science.sources.weather.live import PROVIDERS, Place, open_sources, places_of
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.sources.live import http as source_http
from headrace.streaming.sources.live import sessions
from tests.shared_data import shared
from tests.source_servers import Request, Weather, http
from tests.unit.sources.reading import Reading

LATER = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(sessions, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(live, "LEAST_SECONDS_BETWEEN_REQUESTS", 0.0)


def place(url: str, provider: str = "open-meteo", now: datetime = LATER, poll_seconds: float = 0.05) -> Place:
    return Place(
        PROVIDERS[provider], url, "berlin", 52.52001, 13.405, contact="me@x.example", poll_seconds=poll_seconds,
        clock=lambda: now,
    )  # fmt: skip


def read(body: bytes, count: int, provider: str = "open-meteo", now: datetime = LATER) -> Reading:
    with http(lambda request: request.answer(200, body)) as url:
        return Reading(place(url, provider, now, 60)).wait_for(count)


def open_meteo(hours: list[tuple[str, float | None]], unit: str = "°C", **other: Any) -> bytes:
    hourly = {"time": [time for time, _ in hours], "temperature_2m": [value for _, value in hours]}
    return json.dumps({"hourly": hourly, "hourly_units": {"temperature_2m": unit}} | other).encode()


OPEN_METEO = shared("weather-api-json/open_meteo_forecast.json").read_bytes()
MET_NO = json.dumps(
    json.loads(shared("weather-api-json/metno_lat51.5lon-0.1_complete.json").read_bytes())["data"]
).encode()


def test_the_recorded_answer_of_open_meteo_is_converted_to_si_units_and_utc() -> None:
    reading = read(OPEN_METEO, 192)
    assert (len(reading.events), reading.rejected, reading.ignored) == (192, [], [])
    first = reading.events[0]
    # 00:00 five hours west of Greenwich; 32 °F; 4 mph; 7.6 mph.
    assert first.event_time == datetime(2026, 3, 4, 5, tzinfo=UTC)
    assert (first.temperature_c, first.wind_speed_ms, first.wind_gust_ms) == (0.0, 1.78816, 3.397504)
    assert (first.wind_direction_deg, first.precipitation_mm, first.condition) == (251.0, 0.0, "clear")
    assert (first.station, first.period_s) == ("berlin", 3_600)
    assert len({event.event_id for event in reading.events}) == 192


def test_the_recorded_response_of_met_no_gives_the_past_hour_and_no_forecast() -> None:
    at_download = datetime(2020, 7, 20, 11, 44, 31, tzinfo=UTC)
    reading = read(MET_NO, 82, "met.no", at_download)
    (event,) = reading.events
    assert (event.event_time, event.temperature_c, event.wind_speed_ms) == (
        datetime(2020, 7, 20, 11, tzinfo=UTC),
        18.8,
        2.3,
    )
    assert (event.pressure_hpa, event.precipitation_mm, event.condition) == (1023.2, None, "clearsky_day")
    assert reading.ignored == ["still to come, or not measured"] * 81
    later = read(MET_NO, 82, "met.no")
    assert (len(later.events), later.rejected) == (82, [])
    # The precipitation that was sent with the hour before.
    assert later.events[1].precipitation_mm == 0.0


def test_a_correction_is_another_event_of_the_same_hour_and_nothing_is_repeated() -> None:
    hours: list[tuple[str, float | None]] = [("2026-11-01T00:00", 1.0), ("2026-11-01T01:00", None)]
    server = Weather(lambda: open_meteo(hours))
    with http(server.answer) as url:
        reading = Reading(place(url)).wait_for(2)
        hours[1] = ("2026-11-01T01:00", 2.0)
        reading.wait_for(4)
        hours[0] = ("2026-11-01T00:00", 1.5)
        reading.wait_for(6)
        _wait(lambda: server.statuses[-1] == 304)
        again = Reading(place(url), reading.position)
        _wait(lambda: server.statuses[-3:] == [304] * 3)
    assert [(event.event_time.hour, event.temperature_c) for event in reading.events] == [(0, 1.0), (1, 2.0), (0, 1.5)]
    assert len({event.event_id for event in reading.events}) == 3
    assert again.outcomes == []
    assert "if-none-match" in server.requests[-1].headers


def met_no(*hours: tuple[str, dict[str, Any], float | None]) -> bytes:
    """Hours with what was measured in them, and the rain of the hour that follows."""
    series = [
        {
            "time": f"2026-11-01T{time}:00:00Z",
            "data": {
                "instant": {"details": details},
                "next_1_hours": {"details": {} if rain is None else {"precipitation_amount": rain}},
            },
        }
        for time, details, rain in hours
    ]
    units = {"air_temperature": "celsius", "precipitation_amount": "mm", "relative_humidity": "%"}
    return json.dumps({"properties": {"meta": {"units": units}, "timeseries": series}}).encode()


@pytest.mark.parametrize("clock", ["10:05", "09:59"])
def test_a_correction_never_replaces_a_value_by_nothing(clock: str) -> None:
    answers = [
        met_no(("09", {"air_temperature": 7}, 0.5), ("10", {"air_temperature": 8, "relative_humidity": 80}, None)),
        met_no(("10", {"air_temperature": 8.5}, 0.1), ("11", {"air_temperature": 9}, None)),
    ]
    now = datetime.fromisoformat(f"2026-11-01T{clock}:00Z")
    with http(lambda request: request.answer(200, answers[0])) as url:
        reading = Reading(place(url, "met.no", now)).wait_for(2)
    now = datetime.fromisoformat("2026-11-01T10:30:00Z")
    with http(lambda request: request.answer(200, answers[1])) as url:
        again = Reading(place(url, "met.no", now), reading.position).wait_for(2)
    (event,) = [event for event in again.events if event.event_time.hour == 10]
    assert (event.temperature_c, event.precipitation_mm, event.relative_humidity_pct) == (8.5, 0.5, 80.0)
    precipitation = [event.precipitation_mm for event in reading.events if event.event_time.hour == 10]
    assert precipitation == ([0.5] if clock == "10:05" else [])


def test_hours_that_cannot_be_decoded_are_rejected_once() -> None:
    body = json.loads(met_no(("09", {"air_temperature": 7}, None)))
    body["properties"]["timeseries"] += [{"time": 5}, {"time": 6}, {"data": "none"}]
    with http(lambda request: request.answer(200, json.dumps(body).encode())) as url:
        reading = Reading(place(url, "met.no")).wait_for(12)
        after = Reading(place(url, "met.no"), reading.position).wait_for(4)
    assert (len(reading.events), len(reading.rejected)) == (1, 3)
    assert (after.events, after.rejected) == ([], [])


def test_the_terms_are_kept() -> None:
    expires = (LATER + timedelta(seconds=0.5)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    server = Weather(lambda: MET_NO, Expires=expires, Last_Modified="Mon, 20 Jul 2020 11:44:31 GMT")
    with http(server.answer) as url:
        Reading(place(url, "met.no"))
        _wait(lambda: len(server.requests) > 1)
    first, second = server.requests[:2]
    assert first.headers["user-agent"].startswith("headrace/")
    assert "me@x.example" in first.headers["user-agent"]
    assert first.query == {"lat": "52.5200", "lon": "13.4050"}
    assert second.headers["if-modified-since"] == "Mon, 20 Jul 2020 11:44:31 GMT"


def test_a_retry_after_of_the_server_is_observed() -> None:
    server = Weather(lambda: open_meteo([("2026-11-01T00:00", 1.0)]))
    server.instead = [lambda request: request.answer(429, Retry_After="1")]
    started = time.monotonic()
    with http(server.answer) as url:
        Reading(place(url)).wait_for(1)
    assert time.monotonic() - started > 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (None, 60.0),
        ("soon", 60.0),
        ("Tue, 24 Nov 2026 00:00:09 GMT", 9.0),
        ("Mon, 23 Nov 2026 00:00:00 GMT", 0.0),
    ],
)
def test_both_forms_of_retry_after_are_read(value: str | None, seconds: float) -> None:
    assert source_http.retry_after(value, LATER) == seconds


def test_invalid_answers_are_requested_again() -> None:
    server = Weather(lambda: open_meteo([("2026-11-01T00:00", 1.0)]))

    def cut(request: Request) -> None:
        request.answer(200, b"{}", Content_Length="50")

    server.instead = [
        lambda request: request.answer(200, b"<html>", "text/html"),
        lambda request: request.answer(200, b"{"),
        lambda request: request.answer(200, b'{"hourly": 3}'),
        lambda request: request.answer(502),
        cut,
    ]
    with http(server.answer) as url:
        assert len(Reading(place(url)).wait_for(1).events) == 1


IMPOSSIBLE: list[tuple[str, Any]] = [
    ("temperature_2m", 99),
    ("temperature_2m", "warm"),
    ("temperature_2m", True),
    ("temperature_2m", 1e300),
    ("wind_speed_10m", 447),
    ("relative_humidity_2m", -1),
]


@pytest.mark.parametrize(("name", "value"), IMPOSSIBLE)
def test_impossible_hours_are_rejected_once_and_the_others_arrive(name: str, value: Any) -> None:
    hourly: dict[str, list[Any]] = {
        "time": ["2026-11-01T00:00", "2026-11-01T01:00", "never"],
        "temperature_2m": [1, 2, 3],
    }
    hourly.setdefault(name, [None, None, None])[1] = value
    units = {"temperature_2m": "°C", "wind_speed_10m": "m/s", "relative_humidity_2m": "%"}
    body = json.dumps({"hourly": hourly, "hourly_units": units}).encode()
    with http(lambda request: request.answer(200, body)) as url:
        reading = Reading(place(url)).wait_for(6)
    assert [event.event_time.hour for event in reading.events] == [0]
    assert len(reading.rejected) == 2
    assert reading.ignored[:3] == ["unchanged"] * 3


def test_a_wind_of_a_thousand_miles_an_hour_and_an_unknown_unit_are_rejected() -> None:
    for unit, value in (("mp/h", 1_000), ("furlongs", 1)):
        body = json.dumps(
            {
                "hourly": {"time": ["2026-11-01T00:00"], "wind_speed_10m": [value]},
                "hourly_units": {"wind_speed_10m": unit},
            }
        ).encode()
        assert len(read(body, 1).rejected) == 1


def test_invalid_settings_are_rejected_with_the_remedy(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "WEATHER_PLACES"),
        ({"weather_places": ["oslo=59.9/10.7"], "weather_providers": ["met.no"]}, "WEATHER_CONTACT"),
        ({"weather_places": ["oslo=59.9/10.7"], "weather_providers": ["almanac"]}, "no weather provider"),
        ({"weather_places": ["oslo=99/10.7"]}, "is no place"),
        ({"weather_places": ["oslo"]}, "is no place"),
    ]
    for given, message in cases:
        with pytest.raises(Terminal, match=message):
            open_sources(Settings(home=tmp_path, **given))
    assert places_of(("a=1/2", "b c=-3.5/4")) == {"a": (1.0, 2.0), "b c": (-3.5, 4.0)}
    both = Settings(
        weather_places=("a=1/2",), weather_providers=("open-meteo", "met.no"), weather_contact="me@x.example"
    )
    assert [source.stream for source in open_sources(both)] == ["open-meteo/a@open-meteo", "met.no/a@met.no"]


def _wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)
