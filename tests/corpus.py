"""Records that are no valid events, and odd ones that are: what the lander and the processors must agree on.

Each case is made from one valid order. `None` as verdict means valid; otherwise it is the category of the refusal.
"""

from dataclasses import dataclass

import orjson

from headrace.contracts.nesting import MAX_DEPTH

VALID: dict[str, object] = {
    "event_id": "order-1",
    "event_time": "2026-11-01T12:00:00Z",
    "source": "test",
    "order_id": "536365",
    "channel": "web",
    "kind": "order",
    "customer_id": "17850",
    "currency": "GBP",
    "lines": [
        {"sku": "85123A", "quantity": 6, "unit_price": "2.55"},
        {"sku": "71053", "quantity": 1, "unit_price": "3.3900"},
    ],
    "total": "18.69",
}


@dataclass(frozen=True)
class Case:
    """A record value, and the category under which it is refused (None: it is valid)."""

    name: str
    value: bytes
    refused_as: str | None


def valid_order(number: int) -> bytes:
    """A valid order with its own id."""
    return orjson.dumps({**VALID, "event_id": f"order-{number}", "order_id": str(number)})


def _with(**changes: object) -> bytes:
    return orjson.dumps({**VALID, **changes})


def _without(name: str) -> bytes:
    return orjson.dumps({key: value for key, value in VALID.items() if key != name})


def _raw(old: bytes, new: bytes) -> bytes:
    value = orjson.dumps(VALID)
    assert old in value
    return value.replace(old, new, 1)


def _line(**changes: object) -> bytes:
    return _with(lines=[{"sku": "85123A", "quantity": 6, "unit_price": "2.55", **changes}])


def _deep(levels: int) -> bytes:
    return b'{"x":' + b"[" * levels + b"]" * levels + b"," + orjson.dumps(VALID)[1:]


GUESTS = ("", " ", "\t\xa0\n", "nan", "NaN", "NULL", "null", "\\N", "<NA>", "N/A", "n/a", "None", "undefined", " nan ")
"""What stands for no customer in files, databases and web pages."""
NO_GUESTS = ("0", "nano", "NULLER", "N", "nan1", "\u2007", "\u0130N/A")
DEEP = 50_000
CASES: tuple[Case, ...] = (
    # odd, and valid
    Case("as it is", orjson.dumps(VALID), None),
    Case("pretty printed, with raw newlines", orjson.dumps(VALID, option=orjson.OPT_INDENT_2), None),
    Case("white space around it", b" \t" + orjson.dumps(VALID) + b"\r\n", None),
    Case("an unknown field", _with(added_later={"a": [1, 2]}), None),
    Case("a key twice: the last counts", _raw(b'"kind":"order"', b'"kind":"adjustment","kind":"order"'), None),
    Case("a key given twice: the first may be of another type", b'{"order_id":1,' + orjson.dumps(VALID)[1:], None),
    Case(
        "a key given twice: the first may be missing a part", b'{"lines":[{"sku":1},2],' + orjson.dumps(VALID)[1:], None
    ),
    Case("a key given twice in a line: the last counts", _raw(b'"quantity":6', b'"quantity":"six","quantity":6'), None),
    Case("an unknown field in a line", _line(colour=["é", {"a": None}]), None),
    Case("an unknown field as deep as may be", _deep(MAX_DEPTH - 1), None),
    Case(
        "a number of 2,000 digits in an unknown field", b'{"x":' + b"9" * 2_000 + b"," + orjson.dumps(VALID)[1:], None
    ),
    Case("an escaped key", _raw(b'"channel"', b'"chann\\u0065l"'), None),
    Case("text in many scripts", _with(customer_id="Ærø 東京 😀"), None),
    Case("text escaped in many scripts", _raw(b'"17850"', b'"\\u6771\\u4eac \\ud83d\\ude00"'), None),
    Case("escaped quotes and backslashes", _with(customer_id='a"b\\c\n'), None),
    Case("the text \\u0000, escaped", _raw(b'"17850"', b'"\\\\u0000"'), None),
    Case("no lines", _with(lines=[]), None),
    Case("an explicit null where it may be", _with(customer_id=None), None),
    Case("microseconds", _with(event_time="2026-11-01T12:00:00.123456Z"), None),
    Case("nanoseconds are rounded", _with(event_time="2026-11-01T12:00:00.123456789Z"), None),
    Case("UTC written as an offset", _with(event_time="2026-11-01T12:00:00+00:00"), None),
    Case("a negative total", _with(total="-0.5"), None),
    Case("the largest amount", _with(total="99999999999999.9999"), None),
    Case("ids of 256 characters", _with(event_id="e" * 256, customer_id="c" * 256), None),
    Case("ids of 256 characters of several bytes", _with(order_id="東" * 256, customer_id="😀" * 256), None),
    Case("a SKU of 256 characters of several bytes", _line(sku="東" * 256), None),
    *(Case(f"a guest named {word!r}", _with(customer_id=word), None) for word in GUESTS),
    *(Case(f"a customer named {word!r}", _with(customer_id=word), None) for word in NO_GUESTS),
    Case("the largest quantity", _line(quantity=100_000_000), None),
    Case("the smallest quantity", _line(quantity=-100_000_000), None),
    Case("minus nothing", _with(total="-0.0000"), None),
    Case("the smallest amount", _line(unit_price="-99999999999999.9999"), None),
    # malformed
    Case("empty", b"", "malformed JSON"),
    Case("blank", b"   ", "malformed JSON"),
    Case("a blank line", b"\n", "malformed JSON"),
    Case("rubbish", b"\x00\x01\x02\x7f", "malformed JSON"),
    Case("cut short", orjson.dumps(VALID)[:-10], "malformed JSON"),
    Case("two objects", orjson.dumps(VALID) * 2, "malformed JSON"),
    Case("two objects on two lines", orjson.dumps(VALID) + b"\n" + orjson.dumps(VALID), "malformed JSON"),
    Case("something behind it", orjson.dumps(VALID) + b" x", "malformed JSON"),
    Case("a trailing comma", orjson.dumps(VALID)[:-1] + b",}", "malformed JSON"),
    Case("a byte order mark", b"\xef\xbb\xbf" + orjson.dumps(VALID), "malformed JSON"),
    Case("NaN", _raw(b'"quantity":6', b'"quantity":NaN'), "malformed JSON"),
    Case("a lone surrogate", _raw(b'"17850"', b'"\\ud800"'), "malformed JSON"),
    Case("a lone low surrogate", _raw(b'"17850"', b'"\\udc00 x"'), "malformed JSON"),
    Case("a raw NUL in text", _raw(b"17850", b"17\x0050"), "malformed JSON"),
    Case("a raw newline in text", _raw(b"17850", b"17\n50"), "malformed JSON"),
    Case("a lone surrogate in an unknown field", b'{"x":["\\ud800"],' + orjson.dumps(VALID)[1:], "malformed JSON"),
    Case("a lone surrogate in an unknown name", b'{"\\ud800":1,' + orjson.dumps(VALID)[1:], "malformed JSON"),
    # the wrong thing
    Case("an array", b"[" + orjson.dumps(VALID) + b"]", "invalid field"),
    Case("null", b"null", "invalid field"),
    Case("a number", b"5", "invalid field"),
    Case("a number where text belongs", _with(order_id=536365), "invalid field"),
    Case("a boolean where text belongs", _with(customer_id=True), "invalid field"),
    Case("an object where text belongs", _with(customer_id={"id": 1}), "invalid field"),
    Case("text where a number belongs", _line(quantity="6"), "invalid field"),
    Case("a fraction where a whole number belongs", _line(quantity=6.0), "invalid field"),
    Case("a quantity too large", _line(quantity=100_000_001), "invalid field"),
    Case("a quantity too small", _line(quantity=-100_000_001), "invalid field"),
    Case("the largest whole number as a quantity", _line(quantity=2**63 - 1), "invalid field"),
    Case("the smallest whole number as a quantity", _line(quantity=-(2**63)), "invalid field"),
    Case("a number too large", _raw(b'"quantity":6', b'"quantity":9223372036854775808'), "invalid field"),
    Case("an object where a list belongs", _with(lines={"sku": "x"}), "invalid field"),
    Case(
        "a key given twice: the last is of another type", orjson.dumps(VALID)[:-1] + b',"order_id":1}', "invalid field"
    ),
    Case("null in a list", _with(lines=[None]), "invalid field"),
    Case("an unknown choice", _with(channel="fax"), "invalid field"),
    Case("an empty id", _with(event_id=""), "invalid field"),
    Case("an id of 257 characters", _with(event_id="e" * 257), "invalid field"),
    Case("an id of 257 characters of several bytes", _with(order_id="東" * 257), "invalid field"),
    Case("an optional id of 257 characters", _with(customer_id="c" * 257), "invalid field"),
    Case("a SKU of 257 characters", _line(sku="s" * 257), "invalid field"),
    Case("money as a number", _with(total=18.69), "invalid field"),
    Case("money with a fifth decimal", _with(total="18.69001"), "invalid field"),
    Case("money with a fifth decimal in a line", _line(unit_price="2.55555"), "invalid field"),
    Case("money with a newline behind it", _with(total="18.69\n"), "invalid field"),
    Case("money with an exponent", _with(total="1e3"), "invalid field"),
    Case("money that is not a number", _with(total="NaN"), "invalid field"),
    Case("money without end", _with(total="-Infinity"), "invalid field"),
    Case("money with an exponent in a line", _line(unit_price="1E-2"), "invalid field"),
    Case("money with a plus", _with(total="+1.5"), "invalid field"),
    Case("money with 15 digits", _with(total="123456789012345"), "invalid field"),
    Case("money in Arabic digits", _with(total="١٢"), "invalid field"),
    Case("a day that is not", _with(event_time="2026-02-30T12:00:00Z"), "invalid field"),
    Case("hour 24", _with(event_time="2026-02-03T24:00:00Z"), "invalid field"),
    Case("a leap second", _with(event_time="2016-12-31T23:59:60Z"), "invalid field"),
    Case("a date alone", _with(event_time="2026-11-01"), "invalid field"),
    Case("a time without a zone", _with(event_time="2026-11-01T12:00:00"), "invalid field"),
    Case("a time in another zone", _with(event_time="2026-11-01T12:00:00+02:00"), "invalid field"),
    Case("the year 0000", _with(event_time="0000-01-01T00:00:00Z"), "invalid field"),
    Case("the year 9999", _with(event_time="9999-12-31T23:59:59Z"), "invalid field"),
    Case("seconds since 1970", _with(event_time=1793534400), "invalid field"),
    *(Case(f"without {name}", _without(name), "invalid field") for name in VALID if name != "customer_id"),
    *(Case(f"null as {name}", _with(**{name: None}), "invalid field") for name in VALID if name != "customer_id"),
    Case("a line without its price", _with(lines=[{"sku": "x", "quantity": 1}]), "invalid field"),
    # hostile
    Case("an escaped NUL", _raw(b'"17850"', b'"a\\u0000b"'), "NUL character"),
    Case("an escaped NUL in a line", _raw(b'"85123A"', b'"8\\u0000"'), "NUL character"),
    Case("bytes that are not UTF-8", _raw(b"17850", b"caf\xe9"), "not UTF-8"),
    Case("bytes that are not UTF-8 in an unknown field", b'{"x":["\xff"],' + orjson.dumps(VALID)[1:], "not UTF-8"),
    Case("bytes that are not UTF-8 in an unknown name", b'{"\xff":1,' + orjson.dumps(VALID)[1:], "not UTF-8"),
    Case("bytes that are not UTF-8 in an unknown name of a line", _raw(b'"sku"', b'"\xff":1,"sku"'), "not UTF-8"),
    Case(
        "bytes that are not UTF-8 in a value that does not count", _raw(b'"kind"', b'"kind":"\xff","kind"'), "not UTF-8"
    ),
    Case("an unknown field nested too deeply", _deep(MAX_DEPTH), "too deep"),
    Case("an overlong encoding", _raw(b"17850", b"\xc0\x80"), "not UTF-8"),
    Case("nested deeply", _raw(b'"17850"', b"[" * DEEP + b"]" * DEEP), "too deep"),
    Case(
        "nested deeply in an unknown field",
        b'{"x":' + b"[" * DEEP + b"]" * DEEP + b"," + orjson.dumps(VALID)[1:],
        "too deep",
    ),
    Case(
        "objects nested deeply",
        b'{"x":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"," + orjson.dumps(VALID)[1:],
        "too deep",
    ),
    Case("too long", _with(customer_id="x" * 1_000_000), "too long"),
)
