"""Objects in JSON that parsers read differently, or nearly JSON: drawn from a seeded generator.

The edges are those of RFC 8259 and of the contracts: escapes, surrogates, bytes that are not UTF-8, numbers of any size
and form, times, amounts, names, white space, depth, keys given twice, and what stands before and after an object.
"""

import json
import random
from collections.abc import Iterator

from headrace.contracts.nesting import MAX_DEPTH

_TEXTS = (
    *(b'"a"', b'""', b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xef\xbb\xbf"', b'"\x00"'),
    *(b'"\\ud800"', b'"\\udc00"', b'"\\ud83d\\ude00"', b'"\\ud800\\ud800"', b'"\\udc00\\ud800"', b'"\\ud83dx"'),
    *(b'"\\u0000"', b'"\\\\u0000"', b'"\\q"', b'"\\u12G4"', b'"\\u00"', b'"\n"', b'"\t"', b'"\x1f"', b'"\x7f"', b"'a'"),
    *(b'"\\/"', b'"\\\'"', b'"abc', b'abc"', b'"\xc2\x85"', b'"\xe2\x80\xa8"', b'"nan"', b'"NULL"', b'" "', b'"1"'),
    *(b'"%b"' % ("\U0001f600" * length).encode() for length in (256, 257)),
    *(b'"%b"' % (b"x" * length) for length in (256, 257)),
)
_NUMBERS = (
    *(
        b"0",
        b"1",
        b"-1",
        b"-0",
        b"-0.0",
        b"01",
        b"-01",
        b"00",
        b"+1",
        b".5",
        b"1.",
        b"1.e1",
        b"1e",
        b"1e+",
        b"0.5",
        b"-",
    ),
    *(b"1e0", b"1e5", b"1E+5", b"1e-5", b"10e-1", b"1e400", b"-1e400", b"1e-400", b"0e999999999999", b"1e999999999999"),
    *(b"1e-999999999999", b"0." + b"3" * 1_500, b"9" * 400, b"9" * 1_500, b"1" + b"0" * 308, b"1" + b"0" * 309),
    *(b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"-9223372036854775809"),
    *(b"18446744073709551615", b"18446744073709551616", b"1.0", b"1.0000000000000000001", b"0.99999999999999999999"),
    *(b"0x10", b"1_0", b"NaN", b"Infinity", b"-Infinity", b"--1", b"1 2", b"1a", b"4.9e-324", b"2e-324", b"\xd9\xa1"),
    *(b"1.7976931348623157e308", b"1.7976931348623159e308", b"123456789012345678901234567890e-30", b"0.1e1.5"),
)
_OTHERS = (
    *(b"true", b"false", b"null", b"True", b"nul", b"nulll", b"undefined", b"", b"[]", b"{}", b"[1,]", b"[,1]", b"{,}"),
    *(b'{"a":1,}', b'{"a"}', b'{"a":}', b"{a:1}", b"[1 2]", b'{"a":1 "b":2}', b'{"a":1,"a":2}', b"[01]", b"[1e400]"),
    *(b'["\\ud800"]', b'["\xff"]', b'{"\xff":1}', b'{"\\ud800":1}', b'{"\\q":1}', b'["\\q"]', b'["\n"]', b"[1}"),
    *(b"{1:2}", b"[/**/1]", b'{"a":[{"b":[]}]}', b'["\x00"]', b"[tru]", b"[-]", b"[.5]", b"[\xc2\xa01]", b'{"":""}'),
    *(opened * depth + inner + closed * depth
      for opened, inner, closed in ((b"[", b"", b"]"), (b'{"a":', b"1", b"}"), (b'"[', b"", b'"'))
      for depth in (MAX_DEPTH - 1, MAX_DEPTH, 3 * MAX_DEPTH)),
)  # fmt: skip
_DAY, _MIDNIGHT = "2026-01-01", "2026-01-01T00:00:00"
_TIMES = (
    *(_DAY + rest for rest in ("", "T00:00:00", "T00:00Z", "T00Z", "t00:00:00z", " 00:00:00Z", "  00:00:00Z")),
    *(_MIDNIGHT + zone for zone in ("+0000", "+00", "-00:00", "+00:00", "+00:01", "+00:00:00", "+14:00", "+24:00")),
    *(_MIDNIGHT + zone for zone in (" Z", "z ", "Z\n", "Zx", "UTC", "Z[UTC]", "+0", "+00:0", "\u221200:00", "\u0130")),
    *(f"{_MIDNIGHT}{part}Z" for part in (".", ",5", ".1", ".1234567", ".9999995", ".9999994", ".1234565", ".\u0661")),
    *(f"{_MIDNIGHT}.{digit * 40}Z" for digit in "09"),
    *(f"{_DAY}T{time}Z" for time in ("24:00:00", "23:59:60", "23:60:00", "0:0:0", "23:59:59.9999999")),
    *(f"{day}T00:00:00Z" for day in ("2026-02-29", "2024-02-29", "1900-02-29", "2026-13-01", "2026-01-00", "2026-1-1")),
    *(f"{year}-01-01T00:00:00Z" for year in ("0000", "0999", "1000", "2999", "3000", "+2026", "-2026", "+12026")),
    *("0999-12-31T23:59:59.9999999Z", "2999-12-31T23:59:59.9999999Z", "2999-12-31T23:59:59Z", "now"),
    *("20260101T000000Z", "1000-01-01T00:30:00+01:00", "\uff12\uff10\uff12\uff16-01-01T00:00:00Z"),
)  # fmt: skip
_AMOUNTS = (
    *(
        "0",
        "-0",
        "-0.0000",
        "00",
        "007",
        "1.",
        "-1",
        "--1",
        ".5",
        "1.5000",
        "1.50000",
        "1e3",
        " 1",
        "1 ",
        "1\n",
        "+1",
        "-",
    ),
    *("9" * 34 + ".9999", "9" * 35, "1,5", "0.00001", "-.1", "1.2.3", "0x1", "Infinity", "NaN", "\u0661"),
)
_NAMES = (
    *(
        b'"x"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc3\xa9"',
        b'"\\ud800"',
        b'"\\u0000"',
        b'"\x00"',
        b'"\\q"',
        b'""',
        b'"\n"',
    ),
    *(b"x", b"'x'", b"1", b"null", b'"Orders"', b'"orders "', b'"order\\u0073"', b'"' + b"n" * 60_000 + b'"'),
)
_BLANKS = (
    *(
        b" ",
        b"\t",
        b"\r",
        b"\n",
        b"\x0b",
        b"\x0c",
        b"\xc2\xa0",
        b"\xe2\x80\xa8",
        b"\xef\xbb\xbf",
        b"\x00",
        b"/**/",
        b"#\n",
    ),
    *(b"\x85", b"\xff", b"\x1e", b","),
)
_MOST_EDITS = 3


def odd_objects(seed: str, good: bytes, fields: tuple[str, ...], count: int) -> Iterator[bytes]:
    """So many objects made from a good one, whose fields are among `fields`; about a third of them are as good."""
    chance = random.Random(seed)
    tokens = [*_TEXTS, *_NUMBERS, *_OTHERS]
    tokens += [json.dumps(text, ensure_ascii=chance.random() < 0.5).encode() for text in (*_TIMES, *_AMOUNTS)]
    for _ in range(count):
        yield _odd(chance, good, fields, tokens)


def _odd(chance: random.Random, good: bytes, fields: tuple[str, ...], tokens: list[bytes]) -> bytes:
    pairs = [(json.dumps(name).encode(), json.dumps(value).encode()) for name, value in json.loads(good).items()]
    before = after = b""
    comma, colon = b",", b":"
    for _ in range(chance.choice((1, 1, 1, 2, _MOST_EDITS))):
        token, place = chance.choice(tokens), chance.randrange(len(pairs) + 1)
        name = json.dumps(chance.choice(fields)).encode()
        match chance.randrange(8):
            case 0 | 1:
                pairs = [pair for pair in pairs if pair[0] != name]
                pairs.insert(min(place, len(pairs)), (name, token))
            case 2:
                pairs.insert(place, (name, token))
            case 3:
                pairs.insert(0, (name, token))
            case 4:
                pairs.insert(place, (b'"unknown"', token))
            case 5:
                pairs.insert(place, (chance.choice(_NAMES), chance.choice((b"1", b'"a"'))))
            case 6:
                blank = chance.choice(_BLANKS)
                comma, colon = chance.choice(((comma + blank, colon), (comma, blank + colon)))
            case _:
                piece = chance.choice((*_BLANKS, token))
                before, after = chance.choice(((piece, after), (before, piece)))
    return before + b"{" + comma.join(name + colon + value for name, value in pairs) + b"}" + after
