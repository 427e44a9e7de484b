"""Values that people, programs and attackers write into a field, drawn by a seed."""

import random
import string
from datetime import UTC, datetime, timedelta
from typing import Any

WORDS = (
    "",
    " ",
    "a",
    "Tops",
    "85123A",
    "0",
    "-1",
    "NaN",
    "nan",
    "NULL",
    "\\N",
    "<NA>",
    "N/A",
    "None",
    "undefined",
    "true",
    "\0",
    "\ufeff",
    "\u2028",
    "\u202e",
    "\x1b[31m",
    "é",
    "ﬁ",
    "İ",
    "\U0001d54f",
    "👩‍👩‍👧‍👦",
    "これはひどい",
    "очень плохо",
    "سيء جدا",
    "'; drop table core.orders; --",
    '=HYPERLINK("http://x")',
    "../../../etc/passwd",
    "%s%n%x",
    "${jndi:ldap://x/a}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "<a ",
    "<!--",
    "]]>",
    "&#99999999999;",
    "&amp",
    "a\r\nX-Injected: 1",
    "a\tb",
    '"',
    "'",
    "\\",
    "\\u0000",
    "kim@example.com",
    "203.0.113.7",
    "[2001:db8::1]:443",
    "2999-12-31",
    "this is a rather good thing, but not the best",
)
REPEATED = (
    "<a ",
    "<b></p>",
    "<!--",
    "&#9",
    "a\u0327\u0301",
    "x@",
    "but good ",
    "%25",
    '"',
    "[",
    '{"a":',
    "../",
    "😀",
    "ab ",
)
NUMBERS: tuple[Any, ...] = (
    0,
    1,
    2,
    12,
    -1,
    2**31,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63),
    2**64,
    10**30,
    0.5,
    -0.0,
    1e-9,
    1e308,
    "0",
    "1",
    "2.55",
    "2.550000",
    "-0",
    "1e3",
    "99999999999999.9999",
    "5012345678900",
    "9" * 40,
    "NaN",
    "Infinity",
    "١٢",
    "0x10",
    "1,50",
    None,
    True,
    "",
)
TIMES: tuple[Any, ...] = (
    "2999-12-31T23:59:59Z",
    "1000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "2026-02-30T00:00:00Z",
    "2016-12-31T23:59:60Z",
    "2026-11-27T10:00:00+14:00",
    "2026-11-27T10:00:00",
    "yesterday",
    "",
    0,
    -1,
    1795010300,
    1795010300105,
    None,
)
LONGEST_REPETITION = 8_000
LETTERS = string.ascii_letters + string.digits


class Chance:
    """Draws values; the same seed draws the same."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self._count = 0
        self._seed = seed

    def happens(self, probability: float) -> bool:
        return self.random.random() < probability

    def word(self) -> str:
        """A word, odd more often than not; now and then a long one."""
        draw = self.random.random()
        if draw < 0.05:
            return self.random.choice(REPEATED) * self.random.randrange(1, LONGEST_REPETITION)
        if draw < 0.15:
            return "".join(self.random.choice(WORDS) for _ in range(self.random.randrange(2, 6)))
        if draw < 0.17:
            # Letters that do not compress, so that a value that is too long for an index stays too long.
            return "".join(self.random.choices(LETTERS, k=self.random.choice((255, 256, 257, 4_000))))
        if draw < 0.2:
            return "".join(chr(self.random.randrange(1, 0x2FFF)) for _ in range(self.random.randrange(1, 300)))
        return self.random.choice(WORDS)

    def number(self) -> Any:
        return self.random.choice(NUMBERS)

    def blob(self) -> bytes:
        return self.random.randbytes(self.random.choice((0, 1, 2, 16, 300, 5_000)))

    def time(self) -> Any:
        """A time, of today more often than not."""
        if self.happens(0.3):
            return self.random.choice(TIMES)
        return f"{self.moment():%Y-%m-%dT%H:%M:%S.%fZ}"

    def moment(self) -> datetime:
        """A time of the last thirty years, of the last hours more often than not; now and then one of the year 2999."""
        if self.happens(0.005):
            return datetime(2999, 12, 31, tzinfo=UTC)
        days = self.random.randrange(11_000) if self.happens(0.05) else self.random.random() / 4
        return datetime.now(UTC) - timedelta(days=days)

    def unique(self, prefix: str) -> str:
        """An id that no other draw has."""
        self._count += 1
        return f"{prefix}-{self._seed}-{self._count}"

    def mutated(self, good: bytes) -> bytes:
        """The bytes with a few of them changed, left out, repeated or added."""
        value = bytearray(good)
        for _ in range(self.random.randrange(1, 4)):
            place = self.random.randrange(len(value) + 1)
            match self.random.randrange(4):
                case 0:
                    value[place : place + 1] = self.random.randbytes(1)
                case 1:
                    del value[place : place + self.random.randrange(1, 8)]
                case 2:
                    value[place:place] = value[place : place + 20]
                case _:
                    value[place:place] = self.random.choice(
                        (b'"', b"\\", b"\0", b"\xff", b"\r", b"{", b",", b"\xed\xa0\x80")
                    )
        return bytes(value)

    def spoilt(self, record: dict[str, Any], probability: float = 0.5) -> dict[str, Any]:
        """The record, sometimes with a field or two changed, left out or added."""
        changed = dict(record)
        if not self.happens(probability):
            return changed
        for _ in range(self.random.randrange(1, 3)):
            name = self.random.choice([*record, "unknown"])
            match self.random.randrange(6):
                case 0:
                    changed.pop(name, None)
                case 1:
                    changed[name] = self.number()
                case 2:
                    changed[name] = self.time()
                case 3:
                    changed[name] = self.random.choice(([], {}, [None], {"a": [1]}))
                case _:
                    changed[name] = self.word()
        return changed
