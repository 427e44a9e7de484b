"""Live sources on the real broker, against servers that speak the real protocols: each event exactly once."""

import gzip
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import orjson

from headrace.cases.ecommerce.sources.access_log.lines import LineParser
from headrace.contracts.settings import Settings
from headrace.streaming.runtime.publishing import Publisher
from headrace.streaming.sources.files import LineSplitter
from headrace.streaming.sources.live import positions
from headrace.streaming.sources.live.forgetting import forget
from headrace.streaming.sources.pseudonyms import pseudonymizer
from tests.integration.conftest import ServerControl
from tests.integration.live_sources import (
    entries,
    events,
    ids,
    inputs,
    killed_at_random,
    letters,
    running,
    wait_for,
)
from tests.shared_data import shared
from tests.source_servers import Mastodon, Weather, http, jetstream, released
from tests.unit.sources.walking import walk

STEPS = ("gathered", "produced", "positioned", "flushed", "committed")
FEED_SECONDS = 40.0
TOKEN = "a token for the tests"
RUBBISH = b"<html>no message</html>"


def elastic_lines() -> list[bytes]:
    return gzip.decompress(shared("web-logs-elastic/apache_logs.gz").read_bytes()).splitlines(keepends=True)


def lines_of(lines: list[bytes]) -> set[str]:
    """The ids of the events of a log with these lines, independent of how its files are rotated."""
    splitter = LineSplitter()
    pieces = [*splitter.feed(b"".join(lines)), *splitter.finish()]
    outcomes = LineParser(pseudonymizer(b"another key")).outcomes(pieces)
    return {event.event_id for event in walk(outcomes).events}


def test_a_source_killed_after_each_step_loses_and_repeats_nothing(fresh: Settings, tmp_path: Path) -> None:
    lines = elastic_lines()[:600]
    log = tmp_path / "access.log"
    given = {"HEADRACE_ACCESS_LOG_PATHS": str(log)}
    with log.open("ab", buffering=0) as handle:
        for number, step in enumerate(STEPS):
            handle.write(b"".join(lines[number * 100 : number * 100 + 50]))
            with running(fresh, "access-log", **given, HEADRACE_FAILPOINTS=f"source.{step}=kill") as doomed:
                assert doomed.process.wait(60) == -9, doomed.log.read_text()
            handle.write(b"".join(lines[number * 100 + 50 : number * 100 + 100]))
        handle.write(b"".join(lines[500:]))
    with running(fresh, "access-log", **given) as last:
        wait_for(lambda: inputs(fresh, "access-log") == 600, last.log.read_text)
        last.finish()
    found = ids(fresh, "web_logs", "access-log")
    assert set(found) == lines_of(lines)
    assert set(found.values()) == {1}


def test_a_source_without_its_positions_begins_again_and_fences_the_former(fresh: Settings, tmp_path: Path) -> None:
    lines = elastic_lines()[:101]
    log = tmp_path / "access.log"
    log.write_bytes(b"".join(lines[:100]))
    given = {"HEADRACE_ACCESS_LOG_PATHS": str(log)}
    with running(fresh, "access-log", **given) as former:
        wait_for(lambda: inputs(fresh, "access-log") == 100, former.log.read_text)
        (stream,) = entries(fresh, "access-log")
        assert forget(fresh, "access-log") == [stream]
        assert entries(fresh, "access-log") == {}
        with log.open("ab") as handle:
            handle.write(lines[100])
        assert former.process.wait(60) not in (0, None)
    assert forget(fresh, "access-log") == []
    with running(fresh, "access-log", **given) as last:
        wait_for(lambda: inputs(fresh, "access-log") == 101, last.log.read_text)
        last.finish()
    found = ids(fresh, "web_logs", "access-log")
    assert set(found) == lines_of(lines)
    assert sorted(Counter(found.values()).items()) == [(1, 1), (2, 100)]


def access_log(settings: Settings, folder: Path) -> None:
    """Lines are written, and the log rotated, while the source is killed."""
    lines = elastic_lines()[:4_000]
    log = folder / "access.log"

    def write() -> None:
        log.write_bytes(b"".join(lines[:1_200]))  # so many at once that workers parse them
        for start in range(1_200, len(lines), 40):
            with log.open("ab") as handle:
                handle.write(b"".join(lines[start : start + 40]))
            if start % 800 == 760:
                log.rename(folder / f"access.log.{start}")
            elif start % 800 == 360:
                (folder / f"access.log.{start}.gz").write_bytes(gzip.compress(log.read_bytes()))
                log.unlink()
            time.sleep(FEED_SECONDS * 40 / len(lines))

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    given = {"HEADRACE_ACCESS_LOG_PATHS": str(folder / "access.log*")}
    killed_at_random(
        settings, "access-log", given, lambda: not writer.is_alive() and inputs(settings, "access-log") >= len(lines)
    )
    found = ids(settings, "web_logs", "access-log")
    assert (len(found), set(found.values())) == (len(lines), {1})
    (entry,) = entries(settings, "access-log").values()
    assert (entry.accepted, entry.rejected, entry.ignored) == (len(lines), 0, 0)


def bluesky(settings: Settings, folder: Path) -> None:
    """Posts, likes and rubbish; the server hangs up now and then, and repeats some seconds after each reconnect."""
    golden = shared("bluesky-jetstream/jetstream_golden_v1.jsonl").read_bytes().splitlines()
    now_us, messages = int(time.time() * 1e6), list[bytes]()
    for number in range(2_000):
        message = orjson.loads(golden[number % len(golden)])
        message["time_us"] = now_us + number * 20_000
        if "commit" in message:
            message["commit"]["rkey"] = f"{number}"
        messages.append(orjson.dumps(message))
    messages[1_000:1_000] = [RUBBISH]
    posts = 2_000 // len(golden)

    with jetstream(released(messages, FEED_SECONDS), messages_a_connection=700) as (url, _):
        given = {"HEADRACE_BLUESKY_URL": url}
        killed_at_random(settings, "bluesky", given, lambda: len(ids(settings, "social_media", "jetstream")) >= posts)
    found = ids(settings, "social_media", "jetstream")
    assert (len(found), set(found.values())) == (posts, {1})
    assert Counter(letters(settings, "social_media"))[RUBBISH] == 1


def mastodon(settings: Settings, folder: Path) -> None:
    """The stream breaks with each kill; what was missed comes by REST."""
    statuses = shared("mastodon-api-json/statuses.jsonl").read_bytes().splitlines()
    first_id = int(time.time() * 1_000) << 16
    made = [orjson.loads(status) for status in statuses]
    public = [status for status in made if status["visibility"] == "public" and not status["reblog"]]
    posts = [orjson.dumps(public[n % len(public)] | {"id": str(first_id + n), "edited_at": None}) for n in range(600)]
    feed = {"now": lambda: posts[:0]}
    server = Mastodon(lambda: feed["now"]())  # noqa: PLW0108  another feed, later
    with http(server.answer) as url:
        given = {"HEADRACE_MASTODON_URL": url}
        # A timeline is read from its first request on: only later posts can be missed.
        with running(settings, "mastodon", **given) as first:
            wait_for(lambda: bool(server.requests), first.log.read_text)
            time.sleep(1.0)
            feed["now"] = lambda: posts[:1]
            wait_for(lambda: inputs(settings, "mastodon") > 0, first.log.read_text)
        feed["now"] = released(posts, FEED_SECONDS)
        killed_at_random(
            settings, "mastodon", given, lambda: len(ids(settings, "social_media", "mastodon")) >= len(posts)
        )
    found = ids(settings, "social_media", "mastodon")
    assert (len(found), set(found.values())) == (len(posts), {1})


def weather(settings: Settings, folder: Path) -> None:
    """Hours come, and each second one is corrected once all of them have arrived."""
    started, hours, corrected = time.monotonic(), 200, threading.Event()
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours + 24)

    def body() -> bytes:
        share = (time.monotonic() - started) / FEED_SECONDS
        known = range(min(hours, int(share * hours)))
        times = [f"{first + timedelta(hours=n):%Y-%m-%dT%H:%M}" for n in known]
        values = [11 if corrected.is_set() and n % 2 else 10 for n in known]
        hourly = {"time": times, "temperature_2m": values}
        return json.dumps({"hourly": hourly, "hourly_units": {"temperature_2m": "°C"}}).encode()

    with http(Weather(body).answer) as url:
        given = {
            "HEADRACE_WEATHER_PLACES": "berlin=52.52/13.405",
            "HEADRACE_WEATHER_OPEN_METEO_URL": url,
            "HEADRACE_WEATHER_POLL_SECONDS": "0.2",
        }

        def done() -> bool:
            last = {
                event["event_time"]: event["temperature_c"] for event in events(settings, "weather_data", "weather")
            }
            if len(last) == hours:
                corrected.set()
            return len(last) == hours and sum(value == 11 for value in last.values()) == hours // 2

        killed_at_random(settings, "weather", given, done)
    deliveries = Counter(event["event_id"] for event in events(settings, "weather_data", "weather"))
    assert (len(deliveries), set(deliveries.values())) == (hours * 3 // 2, {1})


class Client:
    """Posts feedback, each with a key of its own, again and again until it is acknowledged."""

    def __init__(self, settings: Settings) -> None:
        self.acknowledged: list[str] = []
        self.answers: Counter[int] = Counter()
        self._address = f"http://127.0.0.1:{settings.port('feedback')}/api/feedback"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        with httpx.Client(timeout=15) as client:
            while not self._stop.is_set():
                key = f"key-{len(self.acknowledged)}"
                headers = {"Idempotency-Key": key, "Authorization": f"Bearer {TOKEN}"}
                try:
                    answer = client.post(self._address, json={"rating": 3, "text": key}, headers=headers)
                except httpx.TransportError:
                    time.sleep(0.05)
                    continue
                self.answers[answer.status_code] += 1
                if answer.status_code == 202:
                    self.acknowledged.append(key)
                time.sleep(0.005)


def feedback_settings(folder: Path) -> dict[str, str]:
    token = folder / "token"
    token.write_text(TOKEN)
    return {"HEADRACE_FEEDBACK_TOKEN_FILE": str(token)}


def feedback(settings: Settings, folder: Path) -> None:
    """A client sends again, with the same key, until it has its 202."""
    client = Client(settings)
    killed_at_random(settings, "feedback", feedback_settings(folder), lambda: len(client.acknowledged) > 100)
    client.stop()
    found = ids(settings, "customer_feedback", "feedback")
    assert set(client.acknowledged) <= set(found)
    # The last one may have been stored without its answer.
    assert len(found) - len(client.acknowledged) in (0, 1)
    assert set(found.values()) == {1}
    assert set(client.answers) == {202}


SCENARIOS: tuple[Callable[[Settings, Path], None], ...] = (access_log, bluesky, mastodon, weather, feedback)


def test_every_source_killed_twenty_times_gives_each_event_exactly_once(fresh: Settings, tmp_path: Path) -> None:
    Publisher(fresh).check(["web_logs", "social_media", "weather_data", "customer_feedback"])
    positions.create(fresh)
    with ThreadPoolExecutor() as pool:
        tried = {each.__name__: pool.submit(each, fresh, _folder(tmp_path, each.__name__)) for each in SCENARIOS}
    failures = {name: error for name, done in tried.items() if (error := done.exception()) is not None}
    assert not failures, failures


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def test_no_acknowledged_feedback_is_missing_through_a_restart_of_the_broker(
    fresh: Settings, server_control: ServerControl, tmp_path: Path
) -> None:
    with running(fresh, "feedback", **feedback_settings(tmp_path)) as service:
        client = Client(fresh)
        wait_for(lambda: len(client.acknowledged) > 50, service.log.read_text)
        server_control.stop("kafka")
        wait_for(lambda: client.answers[503] > 2, service.log.read_text)
        server_control.start("kafka")
        before = len(client.acknowledged)
        wait_for(lambda: len(client.acknowledged) > before + 50, service.log.read_text)
        client.stop()
        service.finish()
    found = ids(fresh, "customer_feedback", "feedback")
    assert set(client.acknowledged) <= set(found)
    assert set(client.answers) == {202, 503}
