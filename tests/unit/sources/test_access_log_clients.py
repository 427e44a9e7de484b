"""Who the client of a line is: behind the prefixes of logging programs, with ports, in lists of proxies."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cases.ecommerce.sources.access_log.clients import client_of
from headrace.cases.ecommerce.sources.access_log.lines import LineParser
from headrace.streaming.sources.pseudonyms import pseudonymizer
from tests.shared_data import shared
from tests.unit.sources.walking import Walk, pieces, walk

PLAIN = '198.51.100.7 - - [20/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "Mozilla/5.0 (X11)"'


def parse(content: str) -> Walk:
    return walk(LineParser(pseudonymizer(b"key"), personal=True).outcomes(pieces(content.encode())))


def one(content: str) -> Any:
    found = parse(content)
    assert found.counts == (1, 0, 0), found.reasons
    return found.events[0]


@pytest.mark.parametrize(
    "prefix",
    [
        "shop.example:443 ",
        "shop.example ",
        "[2001:db8::80]:443 ",
        "203.0.113.80:80 ",
        "Nov 20 10:00:00 web1 nginx: ",
        "Nov  2 10:00:00.123456 web1 nginx[812]: ",
        "<190>Nov 20 10:00:00 web1 nginx: ",
        "<190>1 2026-11-20T10:00:00.1Z web1 nginx 812 - - ",
        "2026-11-20T10:00:00.123456+00:00 web1 nginx[812]: ",
        "2026-11-20T10:00:00+0000 web1 nginx[812]: ",
        "Fri 2026-11-20 10:00:00 UTC web1 nginx[812]: ",
        "1795168800.123456 web1 nginx[812]: ",
        "2026-11-20T10:00:00.123456789Z ",
        "2026-11-20T10:00:00.123456789Z stdout F ",
        "[pod/web-0/nginx] ",
        "pod/web-0 ",
        "[pod/web-0/nginx] 2026-11-20T10:00:00.123456789Z ",
        "web-1  | ",
        "access.log:",
        "/var/log/nginx/access.log.1:",
        "access.log:17:",
        "\ufeff",
        "2026-11-20T10:00:00.123456789Z stdout F shop.example:443 ",
    ],
)
@pytest.mark.parametrize("client", ["198.51.100.7", "2001:db8::7"])
def test_a_prefix_of_a_known_program_is_taken_off(prefix: str, client: str) -> None:
    event = one(prefix + PLAIN.replace("198.51.100.7", client))
    assert (event.client_id, event.user, event.path) == (client, None, "/a")
    assert event.visitor_id == one(PLAIN.replace("198.51.100.7", client)).visitor_id
    event = one(prefix + PLAIN.replace("198.51.100.7 - -", f"{client} - frank"))
    assert (event.client_id, event.user) == (client, "frank")


@pytest.mark.parametrize(
    "prefix",
    [
        "something new ",
        "web1 nginx ",
        "20 10:00:00 ",
        "2026-11-20T10:00:00.123456789Z stdout P ",
        "pod web-0 - ",
        "proxy1 - ",
        "203.0.113.80 ",
        "INFO: ",
        "999.1.1.1 ",
    ],
)
def test_a_prefix_of_no_known_program_is_no_client(prefix: str) -> None:
    assert parse(prefix + PLAIN).counts == (0, 1, 0)
    assert parse(prefix + PLAIN.replace("- -", "- frank")).counts == (0, 1, 0)


def test_a_real_log_behind_a_virtual_host_has_the_clients_it_has_without() -> None:
    lines = shared("web-logs-advertools/combined_no_errors.log").read_text().splitlines()
    bare = parse("\n".join(lines))
    hosted = parse("\n".join(f"shop.example:443 {line}" for line in lines))
    assert [event.visitor_id for event in hosted.events] == [event.visitor_id for event in bare.events]


@pytest.mark.parametrize(
    ("written", "client"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("203.0.113.5:51234", "203.0.113.5"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("203.0.113.5, 198.51.100.7", "203.0.113.5"),
        ("203.0.113.5,198.51.100.7:80", "203.0.113.5"),
        ("unknown, 203.0.113.5", "203.0.113.5"),
        ("_hidden, [2001:db8::1]:443, 10.0.0.1", "2001:db8::1"),
        ("visitor.example", "visitor.example"),
        ("localhost", "localhost"),
        ("-", "-"),
        ("unix:", "unix:"),
        ("unknown", None),
        ("203.0.113.500", None),
        ("203.0.113", None),
        ("203.0.113.5,", "203.0.113.5"),
        ("pod/web-0", None),
        ("access.log:10", "access.log"),
        ("a..b", None),
        ("-a", None),
        ("é.example", None),
        ("", None),
        ("a" * 64, None),
        ("a." * 128, None),
    ],
)
def test_a_client_is_an_address_or_a_host_name_in_one_form(written: str, client: str | None) -> None:
    assert client_of(written) == client


@given(
    st.ip_addresses().map(str),
    st.integers(1, 65_535),
    st.lists(st.sampled_from(["10.0.0.1", "unknown", "2001:db8::2"]), max_size=3),
)
def test_ports_and_proxies_make_no_other_visitor(address: str, port: int, proxies: list[str]) -> None:
    bracketed = f"[{address}]" if ":" in address else address
    expected = client_of(address)
    assert expected is not None
    for form in (bracketed, f"{bracketed}:{port}", ", ".join([f"{bracketed}:{port}", *proxies])):
        assert client_of(form) == expected


def test_a_list_of_proxies_in_front_or_behind_names_the_client() -> None:
    expected = one(PLAIN).visitor_id
    for line in (
        PLAIN.replace("198.51.100.7", "198.51.100.7, 203.0.113.5"),
        PLAIN.replace("198.51.100.7", "unknown, 198.51.100.7"),
        PLAIN.replace("198.51.100.7", "203.0.113.5") + ' "198.51.100.7, 203.0.113.9"',
        PLAIN.replace("198.51.100.7", "203.0.113.5") + ' "198.51.100.7:51234"',
        PLAIN + ' "-"',
        PLAIN + ' "unknown"',
    ):
        assert one(line).visitor_id == expected
    assert parse(PLAIN + ' "something else"').counts == (0, 1, 0)
