"""Everything that reads foreign text in access logs takes time proportional to its length, for any request."""

import time
from collections.abc import Callable
from itertools import product

import pytest

from headrace.cases.ecommerce.sources.access_log.agents import MAX_AGENT_LENGTH, classify
from headrace.cases.ecommerce.sources.access_log.clients import client_of, forwarded_for
from headrace.cases.ecommerce.sources.access_log.formats import of_format
from headrace.cases.ecommerce.sources.access_log.lines import LineParser
from headrace.cases.ecommerce.sources.access_log.pixel import InvalidHit, parse_hit
from headrace.cases.ecommerce.sources.access_log.prefixes import without_prefix
from headrace.streaming.sources.files import Block
from headrace.streaming.sources.personal import query_scrubber, scrubber
from headrace.streaming.sources.pseudonyms import pseudonymizer

PSEUDONYMIZE = pseudonymizer(b"key")
PARSER = LineParser(PSEUDONYMIZE)
FORMATS = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$gzip_ratio"',
    "$http_x_forwarded_for $remote_addr [$time_local] $request_method $request_uri $status $upstream_addr, $pipe",
    "$remote_addr [$time_local] $request_method $scheme://$host$request_uri $status $http_user_agent",
    '%h %l %u [%{%d/%b/%Y %T}t.%{msec_frac}t %{%z}t] "%r" %>s %b "%{Referer}i" %{X}i %{Y}i %m %U%q',
    '{"ip":"$remote_addr","t":"$time_iso8601","r":"$request","s":"$status"}',
)
_HEAD = '192.0.2.1 - - [20/Nov/2026:10:00:00 +0000] "'
HEADS = ("", "192.0.2.1 - a ", _HEAD, f"{_HEAD}GET /?", f'{_HEAD}GET / HTTP/1.1" 200 5 "-" "', '{"remote_addr":"', "=")
UNITS = (
    *("a", "a ", " ", '"', '\\"', "[", "[ ", '[] "', ", ", "a, ", "1.", "1.2.3.4,", "a:", "::", "%", "%25", "%252"),
    *("%40", "@", "a@", "a@b.", "a@b.c ", "é@", "\\x40", "=", "a=1.2.3.4&", "(", "; Build/", "- - [", '{"a":', "[1,"),
    *("\\u0040", "..", "[::1]:", "2026-11-20T10:00:00Z ", "a=b&", "%20&", "GET /", "| ", "pod/", "x: ", "<a "),
)
SIZE = 16_000
SLOW_SECONDS = 0.03


def _hit(query: str) -> None:
    try:
        parse_hit(query)
    except InvalidHit:
        return


def _block(line: str) -> None:
    list(PARSER.outcomes([Block("f", 0, 1, line.encode())]))


READERS: dict[str, Callable[[str], object]] = {
    "lines": _block,
    "prefixes": without_prefix,
    "clients": lambda text: (client_of(text), forwarded_for(text)),
    "agents": classify,
    "hits": _hit,
    "personal": scrubber(PSEUDONYMIZE),
    "queries": query_scrubber(PSEUDONYMIZE),
    **{f"format {number}": of_format(form) for number, form in enumerate(FORMATS)},
}


@pytest.mark.parametrize("name", READERS)
def test_twice_as_much_hostile_text_takes_no_more_than_twice_as_long(name: str) -> None:
    read = READERS[name]
    for head, unit in product(HEADS, UNITS):

        def seconds(size: int, head: str = head, unit: str = unit) -> float:
            text = (head + unit * (size // len(unit)))[:size]
            begun = time.thread_time()
            read(text)
            return time.thread_time() - begun

        if (once := seconds(SIZE)) > SLOW_SECONDS:
            once = min(once, seconds(SIZE + 1))
            twice = min(seconds(2 * SIZE), seconds(2 * SIZE + 1))
            assert twice < 3.5 * once, (head, unit, once, twice)


def test_an_agent_costs_the_same_however_long_it_is() -> None:
    for unit in UNITS:
        begun = time.thread_time()
        for number in range(3):
            classify(f"{number}{unit * (1_000_000 // len(unit))}")
        assert time.thread_time() - begun < 0.5, unit
        assert classify("a" * MAX_AGENT_LENGTH + " Googlebot/2.1")[1] is False
