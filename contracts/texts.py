"""Character references and Unicode's normal form of text from outside, in time proportional to its length.

The standard library does both, but a person who writes to the platform can make it take hours, or fail: a number of
more than 4,300 digits in a character reference is a `ValueError`, and a run of n combining marks takes n² steps.
"""

import html
import re
import sys
import unicodedata
from functools import cache

MAX_MARKS = 30
"""Combining marks that one letter keeps: the Stream-Safe Text Format of Unicode's annex 15. No language needs more."""

_SHORT = 1_000
"""In a text this short, the square of its length is no work."""
_LONG_NUMBER = re.compile(r"&#([0-9]{8,});?")
_MOST_DIGITS = 7
"""Of the largest code point, 1114111."""


def unescape(text: str) -> str:
    """`text` with its HTML character references resolved, as `html.unescape` does."""
    if "&" not in text:
        return text
    return html.unescape(_LONG_NUMBER.sub(_in_range, text))


def normalized(text: str) -> str:
    """`text` in Unicode's normal form C; of more than `MAX_MARKS` combining marks in a row, the first ones stay."""
    if len(text) > _SHORT and not text.isascii():
        text = _excess_marks().sub(r"\1", text)
    return unicodedata.normalize("NFC", text)


def _in_range(reference: re.Match[str]) -> str:
    digits = reference[1].lstrip("0") or "0"
    # What is no code point is the replacement character, as in HTML.
    return f"&#{digits};" if len(digits) <= _MOST_DIGITS else "\ufffd"


@cache
def _excess_marks() -> re.Pattern[str]:
    marks = "".join(chr(code) for code in range(sys.maxunicode + 1) if unicodedata.combining(chr(code)))
    return re.compile(f"([{marks}]{{{MAX_MARKS}}})[{marks}]+")
