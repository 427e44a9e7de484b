"""Personal data in texts: an address in any form becomes the pseudonym of its canonical form."""

from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.cases.ecommerce.sources.access_log.lines import LineParser
from headrace.contracts.decoding import encode
from headrace.streaming.sources.personal import may_be_personal, query_scrubber, scrubber
from headrace.streaming.sources.pseudonyms import pseudonymizer
from tests.unit.sources.walking import pieces, walk

PSEUDONYMIZE = pseudonymizer(b"key")
scrub = scrubber(PSEUDONYMIZE)
scrub_query = query_scrubber(PSEUDONYMIZE)
MAIL = PSEUDONYMIZE("email", "kim@example.com")
IDN = PSEUDONYMIZE("email", "joe@bücher.example")
V4 = PSEUDONYMIZE("client", "198.51.100.7")
OTHER = PSEUDONYMIZE("client", "198.51.100.8")
V6 = PSEUDONYMIZE("client", "2001:db8::7")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("u=https%3A%2F%2Fx%2F%3Fmail%3Dkim%252540example.com", f"u=https%3A%2F%2Fx%2F%3Fmail%3D{MAIL}"),
        ("m=kim%40example.com&n=1", f"m={MAIL}&n=1"),
        ("m=kim%2540example%252Ecom", f"m={MAIL}"),
        ("m=%6B%69%6D%40%65xample.com", f"m={MAIL}"),
        ("m=%25%34%30&n=kim%25%34%30example.com", f"m=%25%34%30&n={MAIL}"),
        ("m=kim%u0040example.com", f"m={MAIL}"),
        ("m=KIM@Example.COM.", f"m={MAIL}."),
        ("to=mailto:kim@example.com,kim@example.com;x", f"to=mailto:{MAIL},{MAIL};x"),
        ("m=joe@bücher.example", f"m={IDN}"),
        ("m=joe%40b%C3%BCcher.example", f"m={IDN}"),
        ("m=joe%2540b%25C3%25BCcher.example", f"m={IDN}"),
        (r"m=joe@b\xC3\xBCcher.example", f"m={IDN}"),
        ("m=joe@xn--bcher-kva.example", f"m={IDN}"),
        ("m=joe\uff20bücher.example", f"m={IDN}"),
        ("ips=198.51.100.7,198.51.100.8", f"ips={V4},{OTHER}"),
        ("ips=198.51.100.7%2C+198.51.100.8|198.51.100.7", f"ips={V4}%2C+{OTHER}|{V4}"),
        ("from=198.51.100.7/24", f"from={V4}/24"),
        ("h=198.51.100.7:80", f"h={V4}:80"),
        ("h=198.51.100.7-198.51.100.8", f"h={V4}-{OTHER}"),
        ("h=198.051.100.007", f"h={V4}"),
        ("h=%31%39%38.51.100.7", f"h={V4}"),
        ("h=198%252E51%252E100%252E7", f"h={V4}"),
        ("h=http://198.51.100.7/a", f"h=http://{V4}/a"),
        ("h=7.198.51.100.7.bc.example", "h=7.198.51.100.7.bc.example"),
        ("h=198.51.100.7.bc.example", f"h={V4}.bc.example"),
        ("198.51.100.7", V4),
        ("h=[2001:db8::7]:443", f"h=[{V6}]:443"),
        ("h=%5B2001%3Adb8%3A%3A7%5D", f"h=%5B{V6}%5D"),
        ("h=2001:DB8:0::7/32", f"h={V6}/32"),
        ("h=ip:2001:db8::7", f"h=ip:{V6}"),
        ("h=::ffff:198.51.100.7", f"h={V4}"),
        ("h=fe80::1%25eth0", f"h={PSEUDONYMIZE('client', 'fe80::1')}%25eth0"),
        ("next=%2Flog%3Fip%3D198.51.100.7", f"next=%2Flog%3Fip%3D{V4}"),
        ("m=kim@[198.51.100.7]", f"m={PSEUDONYMIZE('email', 'kim@[198.51.100.7]')}"),
        (
            "v=1.2.3&t=10:05:03&w=300.1.2.3&x=1.2.3.4.5&y=v1.2.3.4",
            "v=1.2.3&t=10:05:03&w=300.1.2.3&x=1.2.3.4.5&y=v1.2.3.4",
        ),
        ("a=@b&c=d@&e=f@g&h=50%25", "a=@b&c=d@&e=f@g&h=50%25"),
    ],
)
def test_addresses_are_found_in_any_form(query: str, expected: str) -> None:
    assert scrub_query(query) == expected
    assert scrub(f"https://x.example/1.2.3.4?{query}") == f"https://x.example/1.2.3.4?{expected}"


def test_versions_outside_of_a_query_stay() -> None:
    for text in ("/lib/1.2.3.4/a.js", "Bot/1.2.3.4 (+http://a.example)", "a::b"):
        assert scrub(text) == text
    assert scrub("Bot/1.2.3.4 (kim@example.com)") == f"Bot/1.2.3.4 ({MAIL})"


# --- a grammar of forms ---

LABELS = st.sampled_from(["example", "bücher", "mail-1", "例え", "x", "com"])
DOMAINS = st.lists(LABELS, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "example"]))
EMAILS = st.builds(
    "{}@{}".format, st.from_regex(r"[a-z][a-z0-9]{0,8}([.+_'-][a-z0-9]{1,5}){0,2}", fullmatch=True), DOMAINS
)


def _each(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


ENCODINGS: tuple[Callable[[str], str], ...] = (
    lambda text: text,
    quote,
    lambda text: quote(text, safe=""),
    lambda text: quote(quote(text, safe=""), safe=""),
    lambda text: quote(quote(quote(text, safe=""), safe=""), safe=""),
    _each,
    lambda text: quote(_each(text), safe=""),
)
EMAIL_FORMS = st.builds(lambda email, case: email.upper() if case else email, EMAILS, st.booleans())
ADDRESS_FORMS = st.one_of(
    st.builds("{}{}".format, st.ip_addresses(v=4), st.sampled_from(["", ":80", ":51234", "/24", "/32", "."])),
    st.builds("[{}]{}".format, st.ip_addresses(v=6), st.sampled_from(["", ":443", "/64"])),
    st.builds("{}{}".format, st.ip_addresses(v=6), st.sampled_from(["", "/64"])),
    st.builds("::ffff:{}".format, st.ip_addresses(v=4)),
    st.ip_addresses(v=6).map(lambda address: address.exploded.upper()),
)
VALUES = st.lists(st.one_of(EMAIL_FORMS, ADDRESS_FORMS), min_size=1, max_size=4)
FRAMES = st.sampled_from(
    ["{}", "a={}", "a={}&b=c", "a=x,{}", "next=/log?ip={}", "u=https://s.example/?m={}&n=1", "/{}/"]
)


@given(VALUES, st.sampled_from([",", ";", " ", "|", "&z=", "\n"]), FRAMES, st.sampled_from(ENCODINGS))
@example(["joe@bücher.example"], ",", "{}", ENCODINGS[4])
def test_no_form_of_an_address_stays_and_each_has_the_pseudonym_of_its_one_form(
    values: list[str], separator: str, frame: str, encoded: Callable[[str], str]
) -> None:
    plain = scrub_query(frame.format(separator.join(values)))
    found = scrub_query(f"q={encoded(frame.format(separator.join(values)))}")
    decoded = _undone(found)
    assert decoded == f"q={plain}"
    for value in values:
        core = value.strip("[]").split("/")[0].split("]")[0].rsplit("@", 1)[-1].lower()
        assert core.removesuffix(".") not in decoded.lower() or len(core) < 7


def _undone(text: str) -> str:
    from urllib.parse import unquote

    for _ in range(4):
        text = unquote(text)
    return text


@given(st.text(st.sampled_from("a1.:@%25403AeE=?&/[]\\x\uff20ü "), max_size=60))
def test_the_prefilter_misses_nothing_and_scrubbing_twice_changes_nothing(text: str) -> None:
    for scrubbed in (scrub(text), scrub_query(text)):
        assert may_be_personal(text) or scrubbed == text
        assert scrub_query(scrubbed) == scrub_query(scrubbed)


@given(VALUES, st.sampled_from(ENCODINGS), st.sampled_from([" ", '"', "\\"]))
def test_no_form_passes_the_access_log(values: list[str], encoded: Callable[[str], str], odd: str) -> None:
    query = encoded(",".join(values)).replace(" ", "")
    agent = "Mozilla/5.0" + ("" if odd == " " else " \\" + odd)
    line = (
        f'192.0.2.1 - - [20/Nov/2026:10:00:00 +0000] "GET /a?q={query} HTTP/1.1" 200 5 "https://s.example/?q={query}" '
        f'"{agent}"'
    )
    found = walk(LineParser(PSEUDONYMIZE).outcomes(pieces(line.encode())))
    assert found.counts == (1, 0, 0)
    event = found.events[0]
    expected = scrub_query(f"q={query}")
    assert (event.query, event.referrer) == (expected, f"https://s.example/?{expected}")
    assert "192.0.2.1" not in encode(event).decode()
