"""The access-log source: what it accepts, what it rejects, and the event of a line."""

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cases.ecommerce.sources.access_log.agents import classify
from headrace.cases.ecommerce.sources.access_log.lines import LineParser
from headrace.cases.ecommerce.sources.access_log.wire import Remembered
from headrace.contracts.decoding import encode
from headrace.streaming.sources.files import Block, Piece, read_pieces
from headrace.streaming.sources.outcomes import Accepted, Encoded
from headrace.streaming.sources.personal import may_be_personal
from headrace.streaming.sources.pseudonyms import pseudonymizer
from tests.shared_data import shared
from tests.unit.sources.walking import Walk, pieces, readable, walk, walk_file

AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"


def parse(content: bytes) -> Walk:
    return walk(LineParser(pseudonymizer(b"key")).outcomes(pieces(content)))


def line(
    request: str = "GET /a?b=c HTTP/1.1",
    *,
    host: str = "203.0.113.9",
    user: str = "-",
    time: str = "17/May/2015:10:05:03 +0000",
    rest: str = '200 12 "-" "-"',
) -> bytes:
    return f'{host} - {user} [{time}] "{request}" {rest}'.encode()


def one(content: bytes) -> Any:
    found = parse(content)
    assert found.counts == (1, 0, 0), found.reasons
    return found.events[0]


def refusal(content: bytes) -> str:
    found = parse(content)
    assert found.counts == (0, 1, 0)
    assert found.rejected[0].raw == content
    return found.rejected[0].reason


def test_the_elastic_log_gives_its_known_figures(tmp_path: Path) -> None:
    found = walk_file(tmp_path, "access-log", shared("web-logs-elastic/apache_logs.gz"))
    assert found.counts == (9_999, 1, 0)
    assert found.rejected[0].position == 8_899
    assert sum(event.bytes is None for event in found.events) == 669
    assert sum(event.bytes or 0 for event in found.events) == 2_747_282_505
    assert len({event.client_id for event in found.events}) == 1_753
    assert len({event.event_id for event in found.events}) == 9_999
    assert len(found.values) == 9_999


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("combined_no_errors.log", (885, 0, 0)),
        ("combined_with_errors.log", (885, 4, 0)),
        ("dreamhost_apache_access.log", (129, 0, 1)),
        ("nginx_custom_date.log", (0, 20, 0)),
    ],
)
def test_good_and_bad_logs_are_counted_line_by_line(tmp_path: Path, name: str, counts: tuple[int, int, int]) -> None:
    path = shared(f"web-logs-advertools/{name}")
    assert walk_file(tmp_path, "access-log", path).counts == counts
    with path.open("rb") as lines:
        assert sum(counts) == sum(1 for _ in lines)


def test_two_files_that_begin_alike_share_no_id_but_of_lines_at_the_same_place(tmp_path: Path) -> None:
    good = walk_file(tmp_path, "access-log", shared("web-logs-advertools/combined_no_errors.log"))
    other = walk_file(tmp_path, "access-log", shared("web-logs-advertools/combined_with_errors.log"))
    both = {event.event_id for event in good.events} & {event.event_id for event in other.events}
    assert both == {event.event_id for event in good.events[:2]}


def test_a_combined_line_keeps_every_field() -> None:
    event = one(line("POST /cart?x=1&y=2 HTTP/2", user="frank", rest=f'302 - "https://a.example/?q=1" "{AGENT}"'))
    assert (event.method, event.path, event.query, event.protocol) == ("POST", "/cart", "x=1&y=2", "HTTP/2")
    assert (event.status, event.bytes, event.referrer, event.user_agent) == (
        302,
        None,
        "https://a.example/?q=1",
        AGENT,
    )
    assert (event.device, event.is_bot, event.raw_request) == ("desktop", False, None)
    assert event.event_time == datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC)


def test_a_common_line_has_no_referrer_and_no_agent() -> None:
    event = one(line(rest="200 12"))
    assert (event.referrer, event.user_agent, event.device) == (None, None, "other")


def test_client_and_user_are_pseudonyms_that_only_the_key_explains() -> None:
    content = line(user="frank")
    event = one(content)
    assert len(event.client_id) == len(event.user) == 32
    assert b"203.0.113.9" not in str(event).encode()
    assert "frank" not in str(event)
    other = walk(LineParser(pseudonymizer(b"another")).outcomes(pieces(content))).events[0]
    assert other.client_id != event.client_id


def test_times_with_an_offset_are_brought_to_utc() -> None:
    assert one(line(time="25/Apr/2023:23:45:43 -0730")).event_time == datetime(2023, 4, 26, 7, 15, 43, tzinfo=UTC)


@pytest.mark.parametrize(
    "time",
    [
        "31/Feb/2015:10:05:03 +0000",
        "17/May/2015:25:05:03 +0000",
        "17/Xyz/2015:10:05:03 +0000",
        "17/May/2015:10:05:03",
        "17/May/2015:10:05:03 +9900",
        "01/Jan/0001:00:00:00 +0200",
        "01/Jan/0999:00:00:00 +0000",
        "31/Dec/9999:23:00:00 -0200",
        "2015-05-17T10:05:03Z",
    ],
)
def test_impossible_times_are_refused(time: str) -> None:
    assert refusal(line(time=time)).startswith("time ")


def test_escaped_quotes_are_part_of_the_field() -> None:
    event = one(line(r"GET /a\"b HTTP/1.1", rest=r'200 1 "-" "say \"hi\" \\ \x41"'))
    assert event.user_agent == r'say "hi" \ \x41'
    assert event.raw_request == 'GET /a"b HTTP/1.1'


def test_a_tls_handshake_is_a_valid_line_with_a_raw_request() -> None:
    event = one(line(r"\x16\x03\x01\x02", rest='400 226 "-" "-"'))
    assert (event.method, event.path, event.raw_request) == (None, None, r"\x16\x03\x01\x02")


@pytest.mark.parametrize("request_line", ["-", "", "GET /", "GET /a b HTTP/1.1", "quit"])
def test_what_is_no_http_request_line_is_kept_as_it_is(request_line: str) -> None:
    assert one(line(request_line)).raw_request == request_line


@pytest.mark.parametrize("host", ["2001:db8::1", "::1", "shop.example", "fe80::1%eth0"])
def test_clients_may_be_ipv6_or_names(host: str) -> None:
    assert one(line(host=host)).client_id


def test_latin_1_is_read_where_a_line_is_not_utf_8() -> None:
    assert one('h - - [17/May/2015:10:05:03 +0000] "GET /caf\xe9 HTTP/1.1" 200 1'.encode("latin-1")).path == "/café"
    assert one(line("GET /café HTTP/1.1")).path == "/café"


def test_user_names_may_hold_spaces() -> None:
    assert one(line(user="john doe")).user == one(line(user="john doe")).user is not None


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\x01\x02 binary \xff\xfe",
        line().replace(b"/a", b"/\0"),
        b"Error line 1",
        line()[:-1],
        line() + b' "extra"',
        line(rest='20 12 "-" "-"'),
        line(rest='200 -5 "-" "-"'),
        line(rest='200 99999999999999999999 "-" "-"'),
        b'[ [ [ "' * 20_000,
        b'a b c [' * 30_000 + b'"',
    ],
)  # fmt: skip
def test_garbage_is_rejected_quickly_and_with_its_bytes(content: bytes) -> None:
    assert refusal(content)


def test_empty_lines_are_ignored() -> None:
    assert parse(b"\n  \n" + line() + b"\r\n\r\n").counts == (1, 0, 3)


def test_a_line_of_more_than_a_megabyte_is_refused_and_the_next_one_read() -> None:
    found = parse(line("GET /" + "a" * 1_100_000 + " HTTP/1.1") + b"\n" + line())
    assert found.counts == (1, 1, 0)
    assert found.rejected[0].size == len(line("GET /" + "a" * 1_100_000 + " HTTP/1.1"))


def test_a_pixel_hit_fills_the_pixel_fields() -> None:
    event = one(line("GET /px?e=add_to_cart&sid=s1&uid=17850&sku=85123A&qty=6&price=2.55&cur=GBP HTTP/1.1"))
    assert (event.pixel_event, event.session_id, event.customer_id, event.visitor_id) == (
        "add_to_cart",
        "s1",
        "17850",
        "17850",
    )
    assert (event.sku, event.quantity, event.unit_price, event.currency) == ("85123A", 6, "2.55", "GBP")
    event = one(line("GET /px?e=purchase&sid=s1&order=536365&total=139.12&country=United+Kingdom HTTP/1.1"))
    assert (event.order_id, event.order_total, event.country, event.visitor_id) == (
        "536365",
        "139.12",
        "United Kingdom",
        "s1",
    )
    assert one(line("GET /px?e=remove_from_cart&sku=a%20b&qty=1 HTTP/1.1")).sku == "a b"
    assert len(one(line("GET /px?e=page_view HTTP/1.1")).visitor_id) == 32


@pytest.mark.parametrize(
    "query",
    [
        "e=add_to_cart&sku=1&qty=1&price=2.55555",
        "e=add_to_cart&sku=1&qty=x&price=2.55",
        "e=add_to_cart&sku=1&qty=0&price=2.55",
        "e=add_to_cart&sku=1&qty=1.5&price=2.55",
        "e=add_to_cart&sku=1&qty=9999999999999999999&price=2.55",
        "e=add_to_cart&sku=A&qty=5012345678900&price=2500.0000&cur=EUR",
        "e=add_to_cart&sku=1&qty=100000001&price=2.55",
        "e=add_to_cart&sku=1&qty=1&price=1e3",
        "e=add_to_cart&sku=1&qty=1&price=-2.55",
        "e=add_to_cart&sku=1&qty=1&price=NaN",
        "e=add_to_cart&sku=1&qty=1&price=2.55&cur=pounds",
        "e=add_to_cart&qty=1&price=2.55",
        "e=add_to_cart&sku=%00&qty=1&price=2.55",
        "e=add_to_cart&sku=%ff&qty=1&price=2.55",
        "e=purchase&order=1",
        "e=purchase&order=1&total=1e3",
        "e=page_view&sid=" + "s" * 257,
        "e=purchase&order=1&total=1&uid=" + "%e6%9d%b1" * 257,
        "e=purchase&total=1&order=" + "o" * 257,
        "e=teleport",
        "sid=1",
        "%20&" * 100,
    ],
)
def test_an_impossible_pixel_hit_is_refused(query: str) -> None:
    assert "pixel hit" in refusal(line(f"GET /px?{query} HTTP/1.1"))


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (AGENT, ("desktop", False)),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) Version/17.1 Mobile/15E148 Safari", ("mobile", False)),
        ("Mozilla/5.0 (iPad; CPU OS 17_1 like Mac OS X) Version/17.1 Mobile/15E148 Safari", ("tablet", False)),
        ("Mozilla/5.0 (Linux; Android 9; SM-T510) AppleWebKit Chrome/90 Safari", ("tablet", False)),
        ("Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/120 Mobile Safari", ("mobile", False)),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", ("bot", True)),
        ("curl/8.5.0", ("bot", True)),
        ("something else", ("other", False)),
        (None, ("other", False)),
    ],
)
def test_devices_and_bots_are_detected_by_the_user_agent(agent: str | None, expected: tuple[str, bool]) -> None:
    assert classify(agent) == expected


def test_the_ids_of_lines_survive_renaming_and_chunking() -> None:
    content = b"\n".join(line(f"GET /{number} HTTP/1.1") for number in range(200))
    whole = [event.event_id for event in parse(content).events]
    parser = LineParser(pseudonymizer(b"other key"))
    assert whole == [event.event_id for event in walk(parser.outcomes(pieces(content, chunk=37))).events]


QUOTABLE = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=40)
QUERY = st.builds(
    lambda event, pairs: f"e={event}&" + "&".join(f"{name}={value}" for name, value in pairs),
    st.sampled_from(["page_view", "add_to_cart", "remove_from_cart", "purchase", "x"]),
    st.lists(
        st.tuples(
            st.sampled_from(["sid", "uid", "sku", "qty", "price", "cur", "order", "total", "country"]),
            st.one_of(
                st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,6})?", fullmatch=True),
                st.from_regex(r"(%[0-9a-fA-F]{2}|[a-z+.]){0,6}", fullmatch=True),
            ),
        ),
        max_size=9,
    ),
)


@given(
    request=st.one_of(QUOTABLE, QUERY.map(lambda query: f"GET /px?{query} HTTP/1.1")),
    host=QUOTABLE,
    user=QUOTABLE,
    agent=QUOTABLE,
    size=st.integers(0, 10**20),
    status=st.integers(0, 1_200),
    time=st.one_of(st.just("17/May/2015:10:05:03 +0000"), QUOTABLE),
)
def test_every_accepted_line_is_a_valid_record(
    request: str, host: str, user: str, agent: str, size: int, status: int, time: str
) -> None:
    found = parse(line(request, host=host, user=user, time=time, rest=f'{status} {size} "{agent}" "{agent}"'))
    assert sum(found.counts) == 1
    assert len(found.values) == len(found.accepted)


@given(st.binary(max_size=400))
def test_no_bytes_make_the_source_fail(content: bytes) -> None:
    found = parse(content)
    assert sum(found.counts) == len(content.split(b"\n")) - content.endswith(b"\n") - (not content)
    assert len(found.values) == len(found.accepted)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web-logs-elastic/apache_logs.gz", "71e985856a5f7ad18a3268675677adcc"),
        ("web-logs-advertools/combined_no_errors.log", "7538d176db325f0b654b48017402d340"),
        ("web-logs-advertools/combined_with_errors.log", "0ea6c72c363ec976e90bded73161b729"),
        ("web-logs-advertools/dreamhost_apache_access.log", "222a44d27e26fb51b59640719f7df76c"),
    ],
)
def test_keys_and_values_of_the_samples_stay_the_same_byte_for_byte(name: str, expected: str) -> None:
    """What was read before a change of the parser must be known again after it."""
    found = sha256()
    for outcome in map(readable, LineParser(pseudonymizer(b"key")).outcomes(read_pieces(shared(name)))):
        if isinstance(outcome, Accepted):
            found.update(outcome.key + b"\t" + encode(outcome.event) + b"\n")
        else:
            found.update(outcome.reason.encode() + b"\n")
    assert found.hexdigest()[:32] == expected


@pytest.mark.parametrize("personal", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        "web-logs-elastic/apache_logs.gz",
        "web-logs-advertools/combined_with_errors.log",
        "web-logs-advertools/dreamhost_apache_access.log",
    ],
)
def test_lines_encoded_directly_equal_those_of_the_parser(name: str, personal: bool) -> None:
    parser = LineParser(pseudonymizer(b"key"), personal=personal)
    found = straight_to_the_wire(parser, read_pieces(shared(name)))
    assert found > 100, "hardly any line is plain"


NEARLY_PLAIN = st.text(st.sampled_from("azAZ09 -_/?=&.:;%@\"\\'<>\x7f\x1fé"), max_size=12)


@given(
    method=st.sampled_from(["GET", "POST", "get", "M-SEARCH", "A" * 33]),
    target=st.one_of(NEARLY_PLAIN.map("/".__add__), st.sampled_from(["/px?e=page_view", "/px?", "/px", "/?", "*"])),
    protocol=st.sampled_from(["HTTP/1.1", "HTTP/2", "HTTP/10", "RTSP/1.0"]),
    user=st.sampled_from(["-", "frank", ""]),
    time=st.sampled_from(["17/May/2015:10:05:03 +0000", "1/May/2015:23:05:03 -0730", "31/Feb/2015:10:05:03 +0000"]),
    status=st.sampled_from(["200", "007", "000", "99", "2000"]),
    size=st.sampled_from(["-", "0", "00", "12", "012", "9" * 18, "9" * 19, "9" * 20]),
    referrer=NEARLY_PLAIN,
    agent=NEARLY_PLAIN,
    personal=st.booleans(),
)
def test_a_line_that_is_nearly_plain_gives_the_same_either_way(
    method: str, target: str, protocol: str, user: str, time: str, status: str, size: str, referrer: str, agent: str,
    personal: bool,
) -> None:  # fmt: skip
    rest = f'{status} {size} "{referrer}" "{agent}"'
    content = line(f"{method} {target} {protocol}", user=user, time=time, rest=rest)
    straight_to_the_wire(LineParser(pseudonymizer(b"key"), personal=personal), pieces(content + b" \r\n" + content))


@given(
    place=st.integers(0, 180),
    put=st.sampled_from(["", " ", "  ", '"', "[", "]", "-", " - [", "\t", "\r", "?", "\\", "é"]),
    cut=st.integers(0, 2),
    rest=st.sampled_from(["200 5", "200 -", '200 5 "-" "Mozilla/5.0 (X11)"', '200 5 "http://a.example/" "-"']),
)
def test_a_line_with_something_wrong_anywhere_gives_the_same_either_way(
    place: int, put: str, cut: int, rest: str
) -> None:
    right = line("GET /a?b=1 HTTP/1.1", rest=rest).decode()
    wrong = (right[:place] + put + right[place + cut :]).encode()
    straight_to_the_wire(LineParser(pseudonymizer(b"key")), pieces(wrong + b"\n" + wrong + b" \n" + wrong + b"\r\n"))


def test_the_cache_is_bounded() -> None:
    asked: list[int] = []

    def double(number: int) -> int:
        asked.append(number)
        return 2 * number

    doubles = Remembered(3, double)
    assert [doubles[number] for number in (1, 2, 1, 3, 3, 4, 4, 1)] == [2, 4, 2, 6, 6, 8, 8, 2]
    assert asked == [1, 2, 3, 4, 1]
    assert len(doubles) == 2


def straight_to_the_wire(parser: LineParser, blocks: Iterable[Piece]) -> int:
    """The number of lines on the fast path; each is compared with the result of `line`."""
    found = 0
    for block in blocks:
        assert isinstance(block, Block)
        offset = block.offset
        for raw, outcome in zip(block.lines, parser.outcomes([block]), strict=True):
            if isinstance(outcome, Encoded):
                found += 1
                expected = parser.line(raw, f"{block.fingerprint}-{offset}", 1)
                assert isinstance(expected, Accepted)
                assert (outcome.key, outcome.value) == (expected.key, encode(expected.event))
            offset += len(raw) + 1
    return found


def test_users_and_odd_requests_and_pixel_hits_keep_their_key() -> None:
    content = line(user="frank") + b"\n" + line("GET /px?e=page_view&sid=s1&uid=7 HTTP/1.1") + b"\n" + line("quit")
    first, hit, odd = parse(content).accepted
    assert [each.key for each in (first, hit, odd)] == [first.event.visitor_id.encode(), b"s1", first.key]  # pyright: ignore[reportAttributeAccessIssue]


def test_a_line_without_the_bytes_of_a_personal_value_is_not_searched_for_one() -> None:
    assert not may_be_personal("GET /a HTTP/1.1")
    assert not may_be_personal("GET /a?b=xyz%20d HTTP/1.1")
    for text in ("a@b.example", "a%40b.example", "?ip=10.1.2.3", "?ip=%3A%3A1", "?ip=[::1]"):
        assert may_be_personal(text)


def test_an_address_that_json_escapes_is_pseudonymized() -> None:
    event = one(
        rb'{"remote_addr":"203.0.113.9","time_iso8601":"2015-05-17T10:05:03+00:00","status":200,"body_bytes_sent":1,'
        rb'"request":"GET /a?m=x\u0040b.example HTTP/1.1"}'
    )
    assert event.query.startswith("m=")
    assert "b.example" not in event.query
