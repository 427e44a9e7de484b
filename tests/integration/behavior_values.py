"""Values of `customer_behavior`, valid and not: Connect must take exactly those that the strict decoder takes."""

import json

from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.contracts.decoding import encode
from headrace.contracts.nesting import MAX_DEPTH
from tests.integration.samples import at

BEHAVIOR = CustomerBehavior(
    event_id="b",
    event_time=at(),
    source="behavior-scorer",
    customer_id="c",
    feature_cutoff=at(),
    orders=1,
    returns=0,
    monetary_value="12.3400",
    repurchase_probability=0.25,
    segment="new",
    model_version="rfm-rule",
    scored_at=at(),
)


def _with(**changes: object) -> bytes:
    return json.dumps(json.loads(encode(BEHAVIOR)) | changes).encode()


def _deep(levels: int) -> bytes:
    return b'{"x":' + b"[" * levels + b"]" * levels + b"," + encode(BEHAVIOR)[1:]


VALUES: list[tuple[str, bytes]] = [
    ("plain", encode(BEHAVIOR)),
    ("unknown fields, nested", _with(more={"a": [1, None]})),
    ("a whole number with a point", _with(orders=7.0)),
    ("no time finer than microseconds", _with(event_time="2026-01-01T00:00:00.123456Z")),
    ("offset zero", _with(event_time="2026-01-01T00:00:00+00:00")),
    ("an optional field that is null", _with(recency_days=None)),
    ("a key given twice, the last one good", b'{"orders":1,' + encode(BEHAVIOR)[1:]),
    ("a key given twice, the first of another type", b'{"orders":"x","segment":[],' + encode(BEHAVIOR)[1:]),
    ("a key given twice, the last of another type", encode(BEHAVIOR)[:-1] + b',"orders":"x"}'),
    ("not UTF-8 in the name of an unknown field", b'{"\xff":1,' + encode(BEHAVIOR)[1:]),
    ("not UTF-8 in an unknown field", b'{"x":"\xff",' + encode(BEHAVIOR)[1:]),
    ("a lone surrogate in an unknown field", b'{"x":"\\ud800",' + encode(BEHAVIOR)[1:]),
    ("a number of 2,000 digits in an unknown field", b'{"x":' + b"9" * 2_000 + b"," + encode(BEHAVIOR)[1:]),
    ("an unknown field as deep as may be", _deep(MAX_DEPTH - 1)),
    ("an unknown field nested too deeply", _deep(MAX_DEPTH)),
    ("a name of 60,000 letters", _with(**{"n" * 60_000: 1})),
    ("nanoseconds", _with(event_time="2026-01-01T00:00:00.1234567891Z")),
    ("an offset without a colon", _with(event_time="2026-01-01T00:00:00+0000")),
    ("a time without seconds", _with(event_time="2026-01-01T00:00Z")),
    ("an offset of hours", _with(event_time="2026-01-01T00:00:00+00")),
    ("a fraction without digits", _with(event_time="2026-01-01T00:00:00.Z")),
    ("nearly the year 3000", _with(event_time="2999-12-31T23:59:59.9999999Z")),
    ("four decimals", _with(monetary_value="-99999999999999.9999")),
    ("text beyond the basic plane", _with(segment="\N{GRINNING FACE}")),
    ("an identifier of 256 characters", _with(segment="\N{GRINNING FACE}" * 256)),
    ("malformed", b"not json"),
    ("cut", encode(BEHAVIOR)[:-1]),
    ("followed by more", encode(BEHAVIOR) + b"{}"),
    ("empty", b""),
    ("a list", b"[]"),
    ("null as text", b"null"),
    ("not UTF-8", b"\xff\xfe{}"),
    ("UTF-16", encode(BEHAVIOR).decode().encode("utf-16-le")),
    ("too deep", b"[" * 200_000),
    ("too long", b'{"pad":"' + b"x" * 1_000_000 + b'"}'),
    ("text for a number", _with(orders="7")),
    ("a fraction for a whole number", _with(orders=1.5)),
    ("a number for a boolean's place", _with(repurchase_probability=True)),
    ("out of range", _with(repurchase_probability=1.5)),
    ("negative count", _with(orders=-1)),
    ("beyond 64 bits", _with(orders=2**63)),
    ("NaN", encode(BEHAVIOR).replace(b"0.25", b"NaN")),
    ("too large for a float", encode(BEHAVIOR).replace(b"0.25", b"1e999")),
    ("money as a number", _with(monetary_value=12.5)),
    ("a fifth decimal", _with(monetary_value="1.23456")),
    ("money with a line end", _with(monetary_value="1.23\n")),
    ("an escaped NUL", _with(segment="a\0b")),
    ("a raw NUL", encode(BEHAVIOR).replace(b'"new"', b'"n\x00w"')),
    ("a lone surrogate", _with(segment="x\ud800")),
    ("a time of another zone", _with(event_time="2026-01-01T00:00:00+02:00")),
    ("a time without zone", _with(event_time="2026-01-01T00:00:00")),
    ("no time", _with(event_time="yesterday")),
    ("a year of five digits", _with(event_time="+12026-01-01T00:00:00Z")),
    ("a required field that is null", _with(segment=None)),
    ("an empty identifier", _with(segment="")),
    ("an identifier of 257 characters", _with(customer_id="\N{GRINNING FACE}" * 257)),
]
