"""Which client a request counts for, independent of its own headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contracts.errors import Terminal
from headrace.guard.clients import client, trusted

PROXIES = trusted(("127.0.0.1", "10.1.0.0/16"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("198.51.100.7", ["203.0.113.5"], "198.51.100.7"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("127.0.0.1", ["192.0.2.1, 203.0.113.5"], "203.0.113.5"),
        ("127.0.0.1", ["192.0.2.1", "203.0.113.5, 10.1.2.3"], "203.0.113.5"),
        ("127.0.0.1", ["192.0.2.1, nonsense"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.5:51234"], "203.0.113.5"),
        ("127.0.0.1", ["[2001:db8::1]:443"], "2001:db8::/64"),
        ("2001:db8::77", [], "2001:db8::/64"),
        ("::ffff:198.51.100.7", [], "198.51.100.7"),
        ("127.0.0.1", ["x" * 60_000], "127.0.0.1"),
    ],
)
def test_a_client_is_the_last_address_that_no_trusted_proxy_has(peer: str, forwarded: list[str], found: str) -> None:
    assert client(peer, forwarded, PROXIES) == found


def test_only_configured_proxies_are_trusted_and_a_wrong_one_is_one_sentence() -> None:
    assert client("127.0.0.1", ["203.0.113.5"], trusted(())) == "127.0.0.1"
    with pytest.raises(Terminal, match=r"proxy\.example"):
        trusted(("proxy.example",))


@given(st.text(), st.lists(st.text()))
def test_the_stored_name_of_a_client_is_short(peer: str, forwarded: list[str]) -> None:
    assert len(client(peer, forwarded, PROXIES)) <= 60
    assert len(client("127.0.0.1", forwarded, PROXIES)) <= 60
