"""Followed access logs: each line is read once, even if files are rotated, truncated or replaced."""

import bz2
import gzip
import json
import lzma
import os
import random
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import pyarrow as pa
import pytest

from headrace.cases.ecommerce.sources.access_log.formats import of_format
from headrace.cases.ecommerce.sources.access_log.lines import LineParser
from headrace.cases.ecommerce.sources.access_log.live import AccessLogs, open_sources
from headrace.cases.ecommerce.topics.web_logs import WebLog
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.sources.pseudonyms import pseudonymizer
from tests.shared_data import shared
from tests.unit.sources.reading import Reading
from tests.unit.sources.walking import pieces, walk

PSEUDONYMIZE = pseudonymizer(b"key")
PARSER = LineParser(PSEUDONYMIZE)


def line(number: int, text: str = "") -> bytes:
    return f'203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET /{number}{text} HTTP/1.1" 200 12 "-" "-"\n'.encode()


def lines(first: int, last: int) -> bytes:
    return b"".join(map(line, range(first, last)))


def follow(*patterns: Path | str, position: Any = None, settle_seconds: float = 30.0) -> Reading:
    # The position goes through JSON, as it does through Kafka.
    stored = msgspec.json.decode(msgspec.json.encode(position))
    return Reading(AccessLogs(list(map(str, patterns)), PARSER, settle_seconds=settle_seconds), stored)


def numbers(reading: Reading) -> list[int]:
    return [int(event.path[1:].split("-")[0]) for event in reading.events]


def test_many_files_and_globs_are_read_once_each(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.log").write_bytes(lines(number * 10, number * 10 + 10))
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "x.log").write_bytes(lines(50, 60))
    reading = follow(tmp_path / "*.log", tmp_path / "0.log", tmp_path / "**" / "x.log").wait_for(60)
    (tmp_path / "late.log").write_bytes(lines(60, 70))
    assert sorted(numbers(reading.wait_for(70))) == list(range(70))


def test_reading_resumes_at_its_position(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(lines(0, 1_000))
    first = follow(log).wait_for(1_000)
    with log.open("ab") as handle:
        handle.write(lines(1_000, 1_100) + b"half a li")
    second = follow(log, position=first.position).wait_for(100)
    assert numbers(second) == list(range(1_000, 1_100))
    assert len({event.event_id for event in first.events[:1_000] + second.events}) == 1_100


def by_rename(log: Path) -> None:
    log.rename(log.with_name(log.name + ".1"))


def by_copy_and_truncation(log: Path) -> None:
    shutil.copy(log, log.with_name(log.name + ".1"))
    os.truncate(log, 0)


def by_compression(log: Path) -> None:
    by_rename(log)
    rotated = log.with_name(log.name + ".1")
    rotated.with_name(rotated.name + ".gz").write_bytes(gzip.compress(rotated.read_bytes()))
    rotated.unlink()


@pytest.mark.parametrize("rotate", [by_rename, by_copy_and_truncation, by_compression])
@pytest.mark.parametrize("while_running", [True, False])
def test_a_rotation_loses_and_repeats_nothing(
    tmp_path: Path, rotate: Callable[[Path], None], *, while_running: bool
) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(lines(0, 200))
    reading = follow(tmp_path / "access.log*").wait_for(200)
    before, position = ([], None) if while_running else (numbers(reading), reading.position)
    with log.open("ab") as handle:
        handle.write(lines(200, 300))
    if while_running and rotate is by_compression:
        reading.wait_for(300)
    rotate(log)
    if not while_running:
        # The former reader still runs, unlike a killed one: what it reads from here on does not count.
        reading = follow(tmp_path / "access.log*", position=position)
    log.write_bytes(lines(300, 400))
    wanted = 400 - len(before)
    found = sorted(before + numbers(reading.wait_for(wanted)))
    time.sleep(0.7)
    assert found == sorted(before + numbers(reading)) == list(range(400))


def test_a_file_that_was_moved_out_of_sight_is_read_to_its_end(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(lines(0, 10))
    reading = follow(log).wait_for(10)
    with log.open("ab") as handle:
        log.rename(tmp_path / "elsewhere")
        log.write_bytes(lines(20, 30))
        handle.write(lines(10, 20))
    assert sorted(numbers(reading.wait_for(30))) == list(range(30))


def test_an_archive_that_is_still_written_is_read_to_its_end_once_it_is_whole(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(line(number, f"-{random.random()}") for number in range(5_000)))
    archive = tmp_path / "access.log.2.gz"
    archive.write_bytes(whole[: len(whole) // 2])
    reading = follow(tmp_path / "*").wait_for(1_000)
    archive.write_bytes(whole)
    assert numbers(reading.wait_for(5_000)) == list(range(5_000))
    again = follow(tmp_path / "*", position=reading.position)
    time.sleep(0.7)
    assert again.outcomes == []


@pytest.mark.parametrize(
    "pack", [bz2.compress, lzma.compress, lambda content: pa.compress(content, codec="zstd", asbytes=True)]
)
def test_a_log_that_is_compressed_after_its_rotation_is_recognized(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(lines(0, 200))
    reading = follow(tmp_path / "access.log*").wait_for(200)
    (tmp_path / "access.log.1.packed").write_bytes(pack(lines(0, 300)))
    log.write_bytes(lines(300, 400))
    assert sorted(numbers(reading.wait_for(400))) == list(range(400))


def test_a_log_in_utf_16_is_not_read_while_it_may_grow(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(lines(0, 5).decode().encode("utf-16"))
    (tmp_path / "access.log.1").write_bytes(lines(5, 9))
    assert numbers(follow(tmp_path / "access.log*").wait_for(4)) == [5, 6, 7, 8]


def test_logs_that_begin_alike_are_two(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(line(0) + lines(1, 100))
    (tmp_path / "b.log").write_bytes(line(0))
    reading = follow(tmp_path / "*.log").wait_for(100)
    with (tmp_path / "b.log").open("ab") as handle:
        handle.write(lines(100, 200))
    assert sorted(numbers(reading.wait_for(201))) == [0, *range(200)]


def test_a_truncated_file_that_has_grown_past_what_was_read_is_new(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(lines(0, 10))
    reading = follow(log).wait_for(10)
    log.write_bytes(lines(100, 150))
    assert numbers(reading.wait_for(60)) == [*range(10), *range(100, 150)]


def test_a_last_line_without_its_newline_waits_and_is_then_taken_as_it_is(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(lines(0, 3).rstrip(b"\n"))
    assert numbers(follow(log).wait_for(2)) == [0, 1]
    os.utime(log, (0, 0))
    reading = follow(log).wait_for(3)
    assert numbers(reading) == [0, 1, 2]
    with log.open("ab") as handle:
        handle.write(b"\n" + line(3))
    again = follow(log, position=reading.position).wait_for(2)
    assert (numbers(again), again.ignored) == ([3], ["empty line"])


def test_an_invalid_line_is_rejected_and_the_next_one_is_read(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"\xff\0rubbish\n" + b"x" * 2_000_000 + b"\n\n" + line(1))
    reading = follow(log).wait_for(4)
    assert (numbers(reading), len(reading.rejected), len(reading.ignored)) == ([1], 2, 1)
    assert numbers(follow(log, position=reading.position)) == []


def test_the_elastic_log_is_counted_live_as_when_it_is_ingested() -> None:
    reading = follow(shared("web-logs-elastic/apache_logs.gz")).wait_for(10_000)
    assert (len(reading.events), len(reading.rejected)) == (9_999, 1)
    assert sum(event.bytes or 0 for event in reading.events) == 2_747_282_505


EVENT = {
    "path": "/a",
    "query": "b=1",
    "method": "GET",
    "status": 200,
    "bytes": 12,
    "event_time": datetime(2026, 11, 24, 10, 0, 1, tzinfo=UTC),
    "client_id": PSEUDONYMIZE("client", "203.0.113.9"),
}
REQUEST = "GET /a?b=1 HTTP/1.1"


def one(content: bytes, form: str = "auto") -> Any:
    parser = LineParser(PSEUDONYMIZE, match=None if form == "auto" else of_format(form))
    found = walk(parser.outcomes(pieces(content)))
    assert found.counts == (1, 0, 0), found.reasons
    return found.events[0]


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("auto", '203.0.113.9 - - [24/Nov/2026:10:00:01 +0000] "GET /a?b=1 HTTP/1.1" 200 12'),
        (
            '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" $pipe',
            '203.0.113.9 - - [24/Nov/2026:11:00:01 +0100] "GET /a?b=1 HTTP/1.1" 200 12 "-" 0.003',
        ),
        (
            "$msec|$http_x_forwarded_for|$request_method|$request_uri|$status|$body_bytes_sent|$upstream_addr",
            "1795514401.000|203.0.113.9, 10.0.0.1|GET|/a?b=1|200|12|unix:/x",
        ),
        (
            '%v %h %l %u %t "%r" %>s %O "%{Referer}i" %D',
            f'host 203.0.113.9 - - [24/Nov/2026:10:00:01 +0000] "{REQUEST}" 200 12 "-" 8',
        ),
        ('%a [%{%Y-%m-%d %H:%M:%S %z}t] "%r" %s %b', f'203.0.113.9 [2026-11-24 12:00:01 +0200] "{REQUEST}" 200 12'),
        ("%{msec}t %a %m %U%q %>s %B", "1795514401000 203.0.113.9 GET /a?b=1 200 12"),
        (
            '{"t": "$time_iso8601", "ip": "$remote_addr", "req": "$request", "code": "$status", "n": "$bytes_sent"}',
            json.dumps({"t": "2026-11-24T10:00:01+00:00", "ip": "203.0.113.9", "req": REQUEST, "code": 200, "n": 12}),
        ),
    ],
)
def test_a_format_of_the_users_own_is_read(form: str, content: str) -> None:
    event = one(content.encode(), form)
    assert {name: getattr(event, name) for name in EVENT} == EVENT


def test_json_of_nginx_is_known_by_its_variables() -> None:
    written = {
        "time_iso8601": "2026-11-24T11:00:01+01:00",
        "remote_addr": "203.0.113.9",
        "remote_user": "",
        "request": REQUEST,
        "status": "200",
        "body_bytes_sent": "12",
        "http_referer": "https://x.example/",
        "http_user_agent": "Mozilla/5.0",
    }
    event = one(json.dumps(written).encode())
    assert {name: getattr(event, name) for name in EVENT} == EVENT
    assert (event.referrer, event.user_agent) == ("https://x.example/", "Mozilla/5.0")
    del written["status"]
    assert walk(PARSER.outcomes(pieces(json.dumps(written).encode()))).counts == (0, 1, 0)


def test_the_log_with_a_date_of_its_own_is_read_by_its_format_string() -> None:
    path = shared("web-logs-advertools/nginx_custom_date.log")
    parser = LineParser(
        PSEUDONYMIZE, match=of_format('%h %l %u [%{%B %d, %YT%H:%M:%S %z}t] "%r" %>s %b "%{Referer}i" "%{User-Agent}i"')
    )
    assert walk(parser.outcomes(pieces(path.read_bytes()))).counts == (20, 0, 0)


@pytest.mark.parametrize(
    "form", ["combined", "$remote_addr $status", "%h %r", '{"a": "$remote_addr"}', "{", "%>s %t %r"]
)
def test_a_format_that_lacks_what_every_line_needs_is_refused_with_the_remedy(form: str) -> None:
    with pytest.raises(Terminal, match="HEADRACE_ACCESS_LOG_FORMAT"):
        of_format(form)


def test_hostile_lines_cost_no_more_than_others() -> None:
    match = of_format('$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer"')
    started = time.process_time()
    for hostile in ('"' * 900_000, "[" * 900_000, " " * 900_000, '\\"' * 450_000, "a " * 450_000):
        assert match(f"1.2.3.4 - - [{hostile}") is None
        assert match(f'1.2.3.4 - - [t] "{hostile}') is None
    assert time.process_time() - started < 5


def test_addresses_are_pseudonyms_wherever_they_stand() -> None:
    written = (
        '198.51.100.7 - joe [17/May/2015:10:05:03 +0000] "GET /u/joe@x.example?m=a%40b.example&ip=192.0.2.1'
        '&six=2001%3Adb8%3A%3A1&v=1.2.3 HTTP/1.1" 200 1 "https://s.example/?mail=Joe@X.example" '
        '"Bot/1.2.3.4 (+bot@x.example)"'
    )
    event = one(written.encode())
    encoded = msgspec.json.encode(event).decode()
    for personal in ("198.51.100.7", "joe", "Joe", "b.example", "192.0.2.1", "db8", "bot@"):
        assert personal not in encoded
    # The same address is the same pseudonym wherever it stands, and versions are no addresses.
    assert PSEUDONYMIZE("email", "joe@x.example") in event.path
    assert PSEUDONYMIZE("email", "joe@x.example") in event.referrer
    assert PSEUDONYMIZE("client", "192.0.2.1") in event.query
    assert event.query.endswith("&v=1.2.3")
    assert "Bot/1.2.3.4" in event.user_agent


def test_pseudonyms_can_be_switched_off(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(line(1, "-?m=joe@x.example"))
    settings = Settings(home=tmp_path / "home", access_log_paths=(log,), access_log_pseudonymize=False)
    (source,) = open_sources(settings)
    (event,) = Reading(source).wait_for(1).events
    assert (event.client_id, event.query) == ("203.0.113.9", "m=joe@x.example")


def test_missing_paths_are_an_error_with_a_remedy() -> None:
    with pytest.raises(Terminal, match="HEADRACE_ACCESS_LOG_PATHS"):
        open_sources(Settings())


def test_random_rotations_under_a_writer_lose_and_repeat_nothing(tmp_path: Path) -> None:
    chance = random.Random(4)
    log, written, position, found = tmp_path / "access.log", 0, None, list[int]()
    for round_number in range(12):
        reading = follow(tmp_path / "access.log*", position=position)
        for _ in range(chance.randrange(1, 4)):
            with log.open("ab") as handle:
                handle.write(lines(written, written := written + chance.randrange(1, 400)))
            if chance.random() < 0.3:
                time.sleep(chance.uniform(0, 0.3))
            if chance.random() < 0.5 and log.exists():
                for number in range(30, 0, -1):
                    for suffix in ("", ".gz"):
                        older = tmp_path / f"access.log.{number}{suffix}"
                        if older.exists():
                            older.rename(tmp_path / f"access.log.{number + 1}{suffix}")
                chance.choice((by_rename, by_copy_and_truncation))(log)
                second = tmp_path / "access.log.2"
                if second.exists():
                    (tmp_path / "access.log.2.gz").write_bytes(gzip.compress(second.read_bytes()))
                    second.unlink()
        # Killed at some moment: only what was yielded with its position counts.
        if round_number < 11:
            time.sleep(chance.uniform(0, 0.4))
        else:
            reading.wait_for(written - len(found))
        batches = list(reading.batches)
        position = batches[-1].position if batches else position
        events = walk(each for batch in batches for each in batch.outcomes).events
        found += [int((cast("WebLog", event).path or "")[1:]) for event in events]
    assert sorted(found) == list(range(written))
