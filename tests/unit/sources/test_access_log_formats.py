"""Formats of access logs: as copied from a configuration, validated at the start; JSON lines and their times."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cases.ecommerce.sources.access_log.formats import is_known, of_format
from headrace.cases.ecommerce.sources.access_log.lines import LineParser
from headrace.cases.ecommerce.sources.access_log.live import open_sources
from headrace.cases.ecommerce.sources.access_log.opening import maker
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.sources.files import read_pieces
from headrace.streaming.sources.pseudonyms import pseudonymizer
from tests.shared_data import shared
from tests.unit.sources.walking import Walk, pieces, walk, walk_file

COMBINED = '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'
NGINX_COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
MAIN = f'{NGINX_COMBINED} "$http_x_forwarded_for"'
LINE = '198.51.100.7 - - [20/Nov/2026:10:00:00 +0000] "GET /a?b=1 HTTP/1.1" 200 5'
THEN = datetime(2026, 11, 20, 10, tzinfo=UTC)


def parse(content: str, form: str | None = None) -> Walk:
    match = None if form is None else of_format(form)
    return walk(LineParser(pseudonymizer(b"key"), match=match).outcomes(pieces(content.encode())))


def one(content: str, form: str | None = None) -> Any:
    found = parse(content, form)
    assert found.counts == (1, 0, 0), found.reasons
    return found.events[0]


@pytest.mark.parametrize(
    ("form", "line"),
    [
        (r'LogFormat "%h %l %u %t \"%r\" %>s %b" common', LINE),
        (r"LogFormat '%h %l %u %t " + r'"%r" %>s %b' + "' common", LINE),
        (r"%h %l %u %t \"%r\" %>s %b", LINE),
        ('"' + r"%h %l %u %t \"%r\" %>s %b" + '"', LINE),
        ("log_format main '$remote_addr - $remote_user [$time_local] '\n    '\"$request\" $status $bytes_sent';", LINE),
        (
            "log_format  timed\n\t'$remote_addr $request_time '\n\t'[$time_local] \"$request\" $status'\n;",
            '198.51.100.7 0.003 [20/Nov/2026:10:00:00 +0000] "GET /a?b=1 HTTP/1.1" 200',
        ),
        ("'$remote_addr [$time_local] '\n'\"$request\" $status';", LINE.replace(" - -", "").removesuffix(" 5")),
        (
            'log_format j escape=json \'{"t":"$time_iso8601","ip":"$remote_addr",\'\n\'"r":"$request","s": $status}\';',
            '{"t":"2026-11-20T10:00:00+00:00","ip":"198.51.100.7","r":"GET /a?b=1 HTTP/1.1","s": 200}',
        ),
        (
            r'LogFormat "{ \"t\":\"%t\", \"ip\":\"%a\", \"r\":\"%r\", \"s\":%>s, \"n\":\"%D\" }" json',
            '{"t":"[20/Nov/2026:10:00:00 +0000]","ip":"198.51.100.7","r":"GET /a?b=1 HTTP/1.1","s":200,"n":"12"}',
        ),
        (
            '%a [%{%d/%b/%Y:%T}t.%{msec_frac}t %{%z}t] "%r" %>s',
            '198.51.100.7 [20/Nov/2026:12:00:00.000 +0200] "GET /a?b=1 HTTP/1.1" 200',
        ),
        (
            '%a [%{%d/%b/%Y %T}t %{%z}t] "%r" %>s',
            '198.51.100.7 [20/Nov/2026 12:00:00 +0200] "GET /a?b=1 HTTP/1.1" 200',
        ),
        ('%a %{sec}t.%{usec_frac}t "%r" %>s', '198.51.100.7 1795168800.000000 "GET /a?b=1 HTTP/1.1" 200'),
        ('%a %{usec}t "%r" %>s', '198.51.100.7 1795168800000000 "GET /a?b=1 HTTP/1.1" 200'),
    ],
)
def test_a_format_is_understood_as_it_stands_in_the_configuration(form: str, line: str) -> None:
    event = one(line, form)
    assert (event.client_id, event.event_time) == (pseudonymizer(b"key")("client", "198.51.100.7"), THEN)
    assert (event.method, event.path, event.query, event.status) == ("GET", "/a", "b=1", 200)


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("%a %t %m %U%q %>s", "198.51.100.7 [20/Nov/2026:10:00:00 +0000] GET /a%20b,c?d=%25 200"),
        ("$remote_addr [$time_local] $request_method http://$host$request_uri $status",
         "198.51.100.7 [20/Nov/2026:10:00:00 +0000] GET http://x.example/a%20b,c?d=%25 200"),
    ],
)  # fmt: skip
def test_variables_with_nothing_between_them_are_separated(form: str, line: str) -> None:
    event = one(line, form)
    assert (event.path, event.query, event.status) == ("/a%20b,c", "d=%25", 200)


@pytest.mark.parametrize(
    "form",
    [
        'LogFormat "%h %r" short',
        "log_format main '$remote_addr $status';",
        '%h %t "%r" %>s %{%Q}t',
        '%h %{%d %b %Y %T}t "%r" %>s',
        "%h%u%t%r%>s",
    ],
)
def test_a_format_that_could_not_be_read_back_is_refused_at_the_start(form: str) -> None:
    with pytest.raises(Terminal, match="HEADRACE_ACCESS_LOG_FORMAT"):
        of_format(form)


@pytest.mark.parametrize("form", [COMBINED, NGINX_COMBINED, f'LogFormat "{COMBINED}" combined'.replace('\\"', '"')])
@pytest.mark.parametrize("name", ["elastic/apache_logs.gz", "advertools/combined_with_errors.log"])
def test_combined_given_by_hand_gives_the_events_of_auto(form: str, name: str) -> None:
    if "LogFormat" in form:
        form = 'LogFormat "' + COMBINED.replace('"', '\\"') + '" combined'
    assert is_known(form)
    content = list(read_pieces(shared(f"web-logs-{name}")))
    by_hand = walk(LineParser(pseudonymizer(b"key"), match=of_format(form)).outcomes(content))
    auto = walk(LineParser(pseudonymizer(b"key")).outcomes(content))
    assert by_hand.values == auto.values


@given(
    st.text(st.sampled_from('aB9 /:;-.()\\"x'), max_size=30),
    st.text(st.sampled_from('aB9/?=&%"\\'), max_size=20),
    st.sampled_from(["-", "198.51.100.9", "198.51.100.9, 10.0.0.1", "unknown"]),
)
def test_a_format_by_hand_reads_escapes_and_proxies_as_auto_does(agent: str, target: str, proxies: str) -> None:
    """With a space less than Combined it is a format like any other."""
    escaped = agent.replace("\\", "\\\\").replace('"', '\\"')
    asked = f"GET /{target}".replace("\\", "\\\\").replace('"', '\\"') + " HTTP/1.1"
    head = "203.0.113.5 - - [20/Nov/2026:10:00:00 +0000] "
    line = f'{head}"{asked}" 200 5 "-" "{escaped}" "{proxies}"'
    other = f'{head}"{asked}" 200 5 "-" "{escaped}" {proxies.replace(" ", "")}'
    form = MAIN.replace('"$http_x_forwarded_for"', "$http_x_forwarded_for")
    assert is_known(MAIN)
    assert not is_known(form)
    auto, main, by_hand = one(line), one(line, MAIN), one(other, form)
    assert auto == main
    ours = ("visitor_id", "client_id", "path", "query", "raw_request", "user_agent", "referrer")
    assert [getattr(by_hand, name) for name in ours] == [getattr(auto, name) for name in ours]


def nginx_json(time: object, **more: object) -> str:
    return json.dumps({"remote_addr": "198.51.100.7", "time": time, "status": 200, "request": "GET / HTTP/1.1"} | more)


MOMENTS = st.integers(103_000_000, 29_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))


@given(MOMENTS, st.sampled_from([1, 1_000, 1_000_000, 1_000_000_000]), st.booleans())
def test_a_number_is_a_time_in_the_unit_that_its_magnitude_says(moment: datetime, unit: int, text: bool) -> None:
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    number = micros * unit // 1_000_000
    event = one(nginx_json(str(number) if text else number))
    assert timedelta() <= moment - event.event_time < timedelta(seconds=1 / unit) + timedelta(microseconds=1)


@pytest.mark.parametrize(
    "time", [1795168800, 1795168800.0, 1795168800000, 1795168800000.0, 1795168800000000, "1795168800000000000"]
)
def test_seconds_to_nanoseconds_are_the_same_time(time: object) -> None:
    assert one(nginx_json(time)).event_time == THEN


@pytest.mark.parametrize("time", [0.003, 12, -1795168800, 10**20, "1e400", "nan", True, [1795168800], "0001-01-01"])
def test_an_invalid_time_is_rejected(time: object) -> None:
    assert parse(nginx_json(time)).counts == (0, 1, 0)


CADDY = {
    "level": "info",
    "ts": 1795168800.25,
    "logger": "http.log.access",
    "msg": "handled request",
    "request": {
        "remote_ip": "10.0.0.1",
        "remote_port": "41342",
        "client_ip": "198.51.100.7",
        "proto": "HTTP/2.0",
        "method": "GET",
        "host": "localhost",
        "uri": "/a?b=1",
        "headers": {"User-Agent": ["Mozilla/5.0"], "Referer": ["https://x.example/"], "Accept": ["*/*"]},
    },
    "bytes_read": 0,
    "user_id": "",
    "duration": 0.000929675,
    "size": 10900,
    "status": 200,
    "resp_headers": {"Server": ["Caddy"]},
}


def test_caddys_nested_request_is_read() -> None:
    event = one(json.dumps(CADDY))
    assert event.client_id == pseudonymizer(b"key")("client", "198.51.100.7")
    assert (event.method, event.path, event.query, event.protocol) == ("GET", "/a", "b=1", "HTTP/2.0")
    assert (event.referrer, event.user_agent, event.bytes) == ("https://x.example/", "Mozilla/5.0", 10_900)
    assert event.event_time == THEN + timedelta(seconds=0.25)


@pytest.mark.parametrize(
    "changed",
    [
        {"request": ["GET / HTTP/1.1"]},
        {"request": {"url": "/"}},
        {"status": [200]},
        {"status": True},
        {"remote_addr": {"ip": "198.51.100.7"}},
        {"request": "GET /\0 HTTP/1.1"},
    ],
)
def test_nested_json_of_no_known_form_is_rejected(changed: dict[str, object]) -> None:
    assert parse(nginx_json(1795168800, **changed)).counts == (0, 1, 0)


def test_json_with_a_port_or_a_proxy_without_a_name_has_the_same_visitor() -> None:
    visitor = one(nginx_json(1795168800)).visitor_id
    assert one(nginx_json(1795168800, remote_addr="198.51.100.7:51234")).visitor_id == visitor
    assert one(nginx_json(1795168800, http_x_forwarded_for="unknown")).visitor_id == visitor
    assert (
        one(nginx_json(1795168800, remote_addr="10.0.0.1", http_x_forwarded_for="unknown, 198.51.100.7")).visitor_id
        == visitor
    )


def test_ingesting_uses_the_format_and_the_pseudonyms_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shared("web-logs-advertools/nginx_custom_date.log")
    form = r'LogFormat "%h %l %u [%{%B %d, %YT%H:%M:%S %z}t] \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" dated'
    monkeypatch.setenv("HEADRACE_ACCESS_LOG_FORMAT", form)
    monkeypatch.setenv("HEADRACE_ACCESS_LOG_PSEUDONYMIZE", "false")
    found = walk_file(tmp_path, "access-log", path)
    assert found.counts == (20, 0, 0)
    clients = {line.split()[0] for line in path.read_text().splitlines()}
    assert {event.client_id for event in found.events} == clients
    live = maker(Settings(home=tmp_path))()
    assert walk(live.outcomes(list(read_pieces(path)))).values == found.values


def test_a_format_that_is_not_that_of_the_files_is_refused_at_the_start(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(f"{LINE}\n" * 3)
    settings = Settings(
        home=tmp_path, access_log_paths=(log,), access_log_format='$status|$remote_addr|$msec|"$request"'
    )
    with pytest.raises(Terminal, match="HEADRACE_ACCESS_LOG_FORMAT"):
        open_sources(settings)
    with pytest.raises(Terminal, match="HEADRACE_ACCESS_LOG_FORMAT"):
        maker(settings.model_copy(update={"access_log_format": "$status"}))
    log.write_text('rubbish\n200|198.51.100.7|1795168800.000|"GET / HTTP/1.1"\n')
    assert open_sources(settings)
