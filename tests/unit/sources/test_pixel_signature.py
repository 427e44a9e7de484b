"""The shop's signature on purchases: it cannot be forged without the key, and signed values cannot be changed."""

from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cases.ecommerce.sources.access_log.lines import LineParser
from headrace.cases.ecommerce.sources.access_log.signature import SIGNED, is_signed, load_pixel_key, signature
from headrace.cases.ecommerce.topics.web_logs import WebLog
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.sources.outcomes import Accepted, Rejected
from headrace.streaming.sources.pseudonyms import pseudonymizer

KEY = b"0123456789abcdef0123456789abcdef"
PURCHASE = {"order": "O1", "total": "1000000.00", "cur": "EUR", "uid": "17850", "country": "Mars"}


def line(query: str) -> bytes:
    request = f'"GET /px?{query} HTTP/1.1" 200 43 "-" "Mozilla/5.0"'
    return f"198.51.100.7 - - [20/Nov/2026:10:00:00 +0000] {request}".encode()


def parsed(query: str, key: bytes | None = KEY) -> WebLog:
    outcome = LineParser(pseudonymizer(b"key"), pixel_key=key).line(line(query), "place", 1)
    assert isinstance(outcome, Accepted)
    assert isinstance(outcome.event, WebLog)
    return outcome.event


def purchase(**more: str) -> str:
    return urlencode({"e": "purchase", "sid": "s"} | PURCHASE | more)


def test_a_purchase_is_verified_by_the_shops_signature_alone() -> None:
    signed = signature(KEY, **PURCHASE)
    assert parsed(purchase(sig=signed)).verified is True
    assert parsed(purchase(sig=signature(b"another key of 32 bytes, or so..", **PURCHASE))).verified is False
    assert parsed(purchase(sig="")).verified is False
    assert parsed(purchase()).verified is False
    assert parsed(purchase(sig=signed), key=None).verified is None
    assert parsed("e=page_view&sid=s").verified is None


@pytest.mark.parametrize("name", SIGNED)
def test_nothing_that_is_signed_can_be_changed(name: str) -> None:
    signed = signature(KEY, **PURCHASE)
    changed = "EUR" if name == "cur" else "1"
    query = purchase(sig=signed, **{name: changed if changed != PURCHASE[name] else "USD"})
    assert parsed(query).verified is False
    if name not in ("order", "total"):
        assert parsed(purchase(sig=signed, **{name: ""})).verified is False
    assert parsed(f"{purchase(sig=signed)}&{name}={'USD' if name == 'cur' else '1'}").verified is False


@pytest.mark.parametrize("uid", ["kim@example.com", "198.51.100.9", "Ünal & Söhne", "a b+c"])
def test_what_is_pseudonymized_or_encoded_is_signed_as_the_shop_knows_it(uid: str) -> None:
    assert parsed(purchase(uid=uid, sig=signature(KEY, **PURCHASE | {"uid": uid}))).verified is True


@given(st.fixed_dictionaries(dict.fromkeys(SIGNED, st.text(max_size=5))))
def test_no_two_purchases_have_one_signature(values: dict[str, str]) -> None:
    """Line breaks could shift one value into the next: such a purchase is never verified."""
    query = urlencode(values | {"sig": signature(KEY, **values)})
    given = {name: value for name, value in values.items() if value}
    is_ordinary = not any(set(value) & {"\n", "\0"} for value in given.values())
    assert is_signed(KEY, query) is is_ordinary


def test_the_key_is_in_the_home_or_in_a_file_of_ones_own(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert load_pixel_key(settings) is None
    settings.secrets.mkdir(parents=True)
    key = settings.secrets / "pixel_key"
    key.touch(mode=0o600)
    key.write_bytes(KEY + b"\n")
    assert load_pixel_key(settings) == KEY
    key.chmod(0o644)
    with pytest.raises(Terminal, match="chmod 600"):
        load_pixel_key(settings)
    own = tmp_path / "own"
    with pytest.raises(Terminal, match="HEADRACE_PIXEL_KEY_FILE"):
        load_pixel_key(Settings(home=tmp_path, pixel_key_file=own))
    own.write_text("short")
    with pytest.raises(Terminal, match="less than 16 bytes") as refused:
        load_pixel_key(Settings(home=tmp_path, pixel_key_file=own))
    assert "short" not in str(refused.value)
    own.write_bytes(KEY)
    assert load_pixel_key(Settings(home=tmp_path, pixel_key_file=own)) == KEY


@pytest.mark.parametrize("code", ["ZZZ", "XTS", "eur", "€", "EURO"])
def test_an_invalid_currency_is_rejected_at_the_source(code: str) -> None:
    parser = LineParser(pseudonymizer(b"key"))
    outcome = parser.line(line(urlencode({"e": "purchase", "order": "1", "total": "0", "cur": code})), "place", 1)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "pixel hit with a cur that is not an ISO 4217 code"
