"""Resolves character references and normalizes Unicode in external text, in linear time.

The standard library does both, but crafted input can make it fail or run for hours: a number of more than 4,300 digits
in a character reference raises `ValueError`, and a run of n combining marks takes n² steps.
"""

import html
import re
import sys
import unicodedata
from functools import cache

MAX_MARKS = 30
"""Maximum combining marks per letter: the Stream-Safe Text Format of Unicode Annex 15. No language needs more."""

_SHORT = 1_000
"""Below this length, quadratic time is acceptable."""
_LONG_NUMBER = re.compile(r"&#([0-9]{8,});?")
_MOST_DIGITS = 7
"""Number of digits of the largest code point, 1114111."""


def unescape(text: str) -> str:
    """`text` with its HTML character references resolved, as `html.unescape` does."""
    if "&" not in text:
        return text
    return html.unescape(_LONG_NUMBER.sub(_in_range, text))


def normalized(text: str) -> str:
    """`text` in Unicode normal form C; in a run of combining marks, only the first `MAX_MARKS` are kept."""
    if len(text) > _SHORT and not text.isascii():
        text = _excess_marks().sub(r"\1", text)
    return unicodedata.normalize("NFC", text)


def _in_range(reference: re.Match[str]) -> str:
    digits = reference[1].lstrip("0") or "0"
    # An invalid code point becomes the replacement character, as in HTML.
    return f"&#{digits};" if len(digits) <= _MOST_DIGITS else "\ufffd"


@cache
def _excess_marks() -> re.Pattern[str]:
    marks = "".join(chr(code) for code in range(sys.maxunicode + 1) if unicodedata.combining(chr(code)))
    return re.compile(f"([{marks}]{{{MAX_MARKS}}})[{marks}]+")
