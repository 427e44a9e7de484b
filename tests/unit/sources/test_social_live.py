"""Bluesky and Mastodon as they stream: reconnects, repeats, deletes, filters, and servers that misbehave."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from headrace.cases.data_science.sources.bluesky import live as bluesky
from headrace.cases.data_science.sources.bluesky.live import Bluesky, Cursor
from headrace.cases.data_science.sources.mastodon import live as mastodon
from headrace.cases.data_science.sources.mastodon.live import Timeline
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.sources.live import sessions
from headrace.streaming.sources.outcomes import Accepted
from headrace.streaming.sources.pseudonyms import load_key, pseudonymizer
from tests.shared_data import shared
from tests.source_servers import Mastodon, Request, at_once, http, jetstream
from tests.unit.sources.reading import Reading
from tests.unit.sources.walking import walk_file

PSEUDONYMIZE = pseudonymizer(b"key")
NOW_US = int(datetime.now(UTC).timestamp() * 1e6)
GOLDEN = shared("bluesky-jetstream/jetstream_golden_v1.jsonl").read_bytes().splitlines()


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(sessions, "PAUSE_SECONDS", 0.01)


def message(
    number: int, text: str = "hello", *, operation: str = "create", language: str = "en", **other: Any
) -> bytes:
    commit = {"operation": operation, "collection": "app.bsky.feed.post", "rkey": f"r{number}", "rev": "1"}
    if operation == "create":
        commit["record"] = {"text": text, "langs": [language], "createdAt": "2026-11-01T00:00:00Z"}  # pyright: ignore[reportArgumentType]
    time_us = NOW_US - 60_000_000 + number
    return json.dumps({"did": "did:plc:a", "time_us": time_us, "kind": "commit", "commit": commit} | other).encode()


def read_bluesky(messages: list[bytes], count: int, position: Any = None, **options: Any) -> Reading:
    with jetstream(at_once(messages)) as (url, _):
        return Reading(Bluesky(url, PSEUDONYMIZE, **options), position).wait_for(count)


def test_the_golden_file_gives_one_post_and_nine_ignored() -> None:
    reading = read_bluesky(GOLDEN, 10)
    assert ([event.text for event in reading.events], len(reading.ignored), reading.rejected) == (
        ["Try RSV for a good time !!"],
        9,
        [],
    )


def test_a_reconnect_asks_for_a_little_before_the_cursor_and_counts_nothing_twice() -> None:
    messages = [message(number) for number in range(50)]
    with jetstream(at_once(messages), messages_a_connection=20) as (url, asked):
        reading = Reading(Bluesky(url, PSEUDONYMIZE)).wait_for(60)
    assert len({event.event_id for event in reading.events}) == len(reading.events) == 20
    assert "cursor" not in asked[0]
    assert f"cursor={NOW_US - 60_000_000 + 19 - bluesky.OVERLAP_US}" in asked[1]
    assert "wantedCollections=app.bsky.feed.post" in asked[0]


def test_another_process_resumes_at_the_position() -> None:
    messages = [message(number) for number in range(50)]
    first = read_bluesky(messages[:30], 30)
    second = read_bluesky(messages, 50, first.position)
    assert len(first.events) == 30
    assert len(second.events) == 20
    assert second.ignored == ["seen before"] * 30


def test_keywords_and_languages_choose_posts_and_deletes_go_through() -> None:
    messages = [
        message(1, "Rain again"),
        message(2, "sunny"),
        message(3, "RAIN", language="de"),
        message(4, operation="delete"),
        message(5, "rain", language="en-GB"),
    ]
    reading = read_bluesky(messages, 5, keywords=("rain",), languages=("en",))
    assert [event.text for event in reading.events] == ["Rain again", None, "rain"]
    assert reading.events[1].deleted
    assert sorted(reading.ignored) == ["in another language", "without the keywords"]


BAD_MESSAGES = (
    b"{",
    b"not json",
    b"<html></html>",
    b"\xff\xfe\0",
    b'{"kind": "commit"}',
    b"[" * 5_000,
    message(9, time_us="soon"),
    message(9, time_us=-1),
    b'{"x": "' + b"y" * 3_000_000 + b'"}',
)


def test_bad_messages_are_rejected_and_the_next_good_one_arrives() -> None:
    reading = read_bluesky([message(1), *BAD_MESSAGES, message(2)], len(BAD_MESSAGES) + 2)
    assert len(reading.rejected) == len(BAD_MESSAGES)
    assert len(reading.events) == 2


def test_one_clock_that_is_off_does_not_move_the_cursor() -> None:
    cursor = Cursor(None)
    year = 365 * 86_400_000_000
    for time_us in (NOW_US - 100, NOW_US - 2 * year, NOW_US - 50, NOW_US + 3 * year, -5, NOW_US - 70):
        cursor.see(time_us)
    assert cursor.value == NOW_US - 50
    for time_us in (NOW_US - year, NOW_US - year + 10):
        cursor.see(time_us)
    assert cursor.value == NOW_US - year + 10


def test_a_server_that_answers_html_or_nothing_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bluesky, "SILENT_SECONDS", 0.2)
    requests: list[str] = []

    def answer(request: Request) -> None:
        requests.append(request.path)
        request.answer(200, b"<html>", "text/html")

    with http(answer) as url:
        reading = Reading(Bluesky(url.replace("http", "ws"), PSEUDONYMIZE))
        _wait(lambda: len(requests) > 2)
        assert reading.error is None
    with jetstream(at_once([message(1)])) as (url, asked):
        Reading(Bluesky(url, PSEUDONYMIZE))
        _wait(lambda: len(asked) > 2)


def _wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- Mastodon ---------------------------------------------------------------------------------------------------------

NOW_ID = int(datetime.now(UTC).timestamp() * 1_000) << 16


def post(number: int, **other: Any) -> bytes:
    status = {
        "id": str(NOW_ID + number),
        "created_at": "2026-11-01T00:00:00Z",
        "visibility": "public",
        "content": f"<p>no. {number}</p>",
        "account": {"acct": "a", "uri": "https://x/a"},
    }
    return json.dumps(status | other).encode()


def timeline(url: str, name: str = "public") -> Timeline:
    return Timeline(url, name, PSEUDONYMIZE, "a token")


def test_the_recorded_statuses_are_counted_and_converted_to_text(tmp_path: Path) -> None:
    recorded = walk_file(tmp_path, "mastodon", shared("mastodon-api-json/statuses.jsonl"))
    statuses = shared("mastodon-api-json/statuses.jsonl").read_bytes().splitlines()
    with http(Mastodon(at_once(statuses), events_a_connection=len(statuses)).answer) as url:
        source = Timeline(url, "public", pseudonymizer(load_key(Settings(home=tmp_path))))
        # Only the stream: catching up would bring the same again.
        reading = Reading(source).wait_for(130)
    first = reading.outcomes[:130]
    accepted = [outcome for outcome in first if isinstance(outcome, Accepted)]
    # 73 public ones, of which the recording holds 7 twice.
    assert (len(accepted), len(first) - len(accepted)) == (66, 64)
    assert {outcome.event.event_id for outcome in accepted} == {event.event_id for event in recorded.events}
    assert recorded.counts == (73, 0, 57)
    texts = [event.text or "" for event in reading.events]
    assert not any("<p>" in text for text in texts)
    assert sum(event.is_repost for event in reading.events) == 1


def test_posts_missed_while_disconnected_arrive_once_by_rest() -> None:
    posts = [post(number) for number in range(130)]
    shown = posts[:30]
    server = Mastodon(lambda: list(shown), events_a_connection=30)
    with http(server.answer) as url:
        reading = Reading(timeline(url)).wait_for(30)
        shown.extend(posts[30:])
        _wait(lambda: len(reading.events) >= 130)
    assert [event.text for event in reading.events] == [f"no. {number}" for number in range(130)]
    rest = [request for request in server.requests if "timelines" in request.path]
    assert all(request.headers["authorization"] == "Bearer a token" for request in server.requests)
    assert int(rest[0].query["min_id"]) == NOW_ID + 29 - (mastodon.OVERLAP_MS << 16)


def test_deletes_edits_private_posts_and_hashtags(tmp_path: Path) -> None:
    def events() -> Iterator[bytes]:
        yield b":)\n\nevent: update\ndata: " + post(1) + b"\n\n"
        yield (
            b"event: status.update\ndata: " + post(1, edited_at="2026-11-02T00:00:00Z", content="<p>new</p>") + b"\n\n"
        )
        yield b"event: update\ndata: " + post(2, visibility="private") + b"\n\n"
        yield b"event: delete\ndata: " + str(NOW_ID + 1).encode() + b"\n\n"
        yield b"event: notification\ndata: {}\n\n"
        # Cut in the middle: no message, and no dead letter.
        yield b"event: update\ndata: " + post(3)[:50]

    asked: list[Request] = []

    def answer(request: Request) -> None:
        asked.append(request)
        request.stream(events())

    with http(answer) as url:
        reading = Reading(timeline(url, "#rain")).wait_for(5)
    assert [(event.text, event.deleted) for event in reading.events[:3]] == [
        ("no. 1", False),
        ("new", False),
        (None, True),
    ]
    assert reading.events[2].author == reading.events[0].author
    assert "private" in reading.ignored[0]
    assert reading.rejected == []
    assert (asked[0].path, asked[0].query) == ("/api/v1/streaming/hashtag", {"tag": "rain"})


def test_bad_posts_are_rejected_and_the_next_good_one_arrives() -> None:
    bad = [
        b"{",
        b"[]",
        b"\xff",
        post(1)[:-5],
        post(1, created_at="never"),
        b'{"id": "1"}',
        b'"' + b"x" * 1_500_000 + b'"',
    ]

    def events() -> Iterator[bytes]:
        for each in [*bad, post(7)]:
            yield b"event: update\ndata: " + each + b"\n\n"
        time.sleep(1)

    with http(lambda request: request.stream(events())) as url:
        reading = Reading(timeline(url)).wait_for(len(bad) + 1)
    assert [event.text for event in reading.events[:1]] == ["no. 7"]
    assert len(reading.rejected) == len(bad)


def test_an_id_from_the_future_does_not_hide_what_comes_after_it() -> None:
    shown = [post(1), post(1 << 60), post(2)]
    with http(Mastodon(at_once(shown), events_a_connection=3).answer) as url:
        reading = Reading(timeline(url)).wait_for(3)
    assert reading.batches[2].position["last_id"] == NOW_ID + 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_ends_it_with_the_remedy(status: int) -> None:
    with http(lambda request: request.answer(status)) as url:
        assert isinstance(Reading(timeline(url)).wait_for_end().error, Terminal)


def test_servers_that_hang_send_slowly_or_answer_html_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mastodon, "SILENT_SECONDS", 0.3)

    def drip() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x"
            time.sleep(0.05)

    def hang() -> Iterator[bytes]:
        time.sleep(3)
        yield b""

    def good() -> Iterator[bytes]:
        yield b"event: update\ndata: " + post(1) + b"\n\n"
        time.sleep(1)

    answers: list[Callable[[Request], None]] = [
        lambda request: request.answer(200, b"<html>", "text/html"),
        lambda request: request.answer(500),
        lambda request: request.answer(429, Retry_After="0"),
        lambda request: request.stream(drip()),
        lambda request: request.stream(hang()),
    ]

    def answer(request: Request) -> None:
        (answers.pop(0) if answers else lambda request: request.stream(good()))(request)

    with http(answer) as url:
        assert [event.text for event in Reading(timeline(url)).wait_for(1).events] == ["no. 1"]


def test_invalid_settings_are_rejected_with_the_remedy(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "MASTODON_URL"),
        ({"mastodon_url": "https://x", "mastodon_timelines": ["home"]}, "no time line home"),
        ({"mastodon_url": "https://x", "mastodon_token_file": tmp_path / "none"}, "TOKEN_FILE"),
    ]
    for given, reason in cases:
        with pytest.raises(Terminal, match=reason):
            mastodon.open_sources(Settings(home=tmp_path, **given))
