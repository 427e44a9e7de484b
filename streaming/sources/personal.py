"""Replaces e-mail and IP addresses in texts by pseudonyms: in requests, referrers and agents, posts and feedback.

They are searched for in the decoded text, even if it is percent-encoded several times, and replaced in the original
text. Version numbers look like IP addresses, so IP addresses are searched for only after the first `?` or `=`. Time is
linear in the text's length.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress

from headrace.streaming.sources.addresses import address_of
from headrace.streaming.sources.pseudonyms import Pseudonymize

Scrub = Callable[[str], str]

LEVELS = 3
"""Maximum number of nested encodings that are decoded. `%252540` counts as one, however long."""
MAX_LOCAL_LENGTH = 64

_ESCAPED = re.compile(r"%(?:25)*([0-9A-Fa-f]{2})|%u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})")
"""Percent-encoding, the `%u` encoding of old scripts, and nginx's escape of bytes beyond ASCII."""
_MAYBE_ESCAPED = re.compile(r"%(?:25|40|2[eE]|3[0-9aA]|u)|\\x").search
"""An encoded `@`, dot, colon or digit, or a nested encoding."""
_ATS = re.compile("[@\uff20\ufe6b]")
_BEYOND_ASCII = "\x80-\U0010ffff"
_DOMAIN = re.compile(
    rf"(?:[A-Za-z0-9{_BEYOND_ASCII}-]{{1,200}}\.){{1,8}}(?:[A-Za-z0-9-]{{1,63}}|[{_BEYOND_ASCII}]{{1,200}})"
    r"|\[(?:IPv6:)?[0-9A-Fa-f:.]{2,45}\]"
)
_LOCAL_MARKS = frozenset("._+'-")
_MAYBE_ADDRESS = re.compile(r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|:[0-9A-Fa-f]{0,4}:").search
_V4_PARTS = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
_V4 = re.compile(rf"(?<![0-9A-Za-z])(?<![0-9]\.){_V4_PARTS}(?![0-9A-Za-z]|\.[0-9])")
_V6 = re.compile(
    rf"(?<![0-9A-Za-z.])(?<![0-9A-Fa-f]:)(?<!::)(?:[0-9A-Fa-f]{{0,4}}:){{2,8}}(?:{_V4_PARTS}|[0-9A-Fa-f]{{0,4}})"
    r"(?![0-9A-Za-z:])"
)
_BEGINS = re.compile("[?=]")

_Found = tuple[int, int, str]
"""The start and end of a value, and its pseudonym."""


def may_be_personal(text: str) -> bool:
    """Whether a text may contain personal data: a quick check that may return True too often."""
    # Searching for a text takes a tenth of the time of a pattern.
    return (
        "@" in text
        or (("%" in text or "\\" in text) and _MAYBE_ESCAPED(text) is not None)
        or _MAYBE_ADDRESS(text) is not None
        or (not text.isascii() and _ATS.search(text) is not None)
    )


def unchanged(text: str) -> str:
    """The text unchanged, for settings that keep personal data."""
    return text


def scrubber(pseudonymize: Pseudonymize) -> Scrub:
    """A function that returns a text with each e-mail and IP address replaced by its pseudonym."""
    return lambda text: _scrubbed(pseudonymize, text, _BEGINS) if may_be_personal(text) else text


def query_scrubber(pseudonymize: Pseudonymize) -> Scrub:
    """The same for a query string, which comes after a `?`."""
    return lambda text: _scrubbed(pseudonymize, text, None) if may_be_personal(text) else text


def _scrubbed(pseudonymize: Pseudonymize, text: str, begins: re.Pattern[str] | None) -> str:
    plain = _decoded(text)
    if _ATS.search(plain) is None and _MAYBE_ADDRESS(plain) is None:
        return text
    found = list(_emails(pseudonymize, plain))
    found += _addresses(pseudonymize, plain, begins, found)
    if not found:
        return text
    starts = _starts(text) if plain != text else range(len(text) + 1)
    parts, end = list[str](), 0
    for first, last, pseudonym in sorted(found):
        parts += (text[end : starts[first]], pseudonym)
        end = starts[last]
    return "".join(parts) + text[end:]


def _decoded(text: str) -> str:
    for _ in range(LEVELS):
        before, text = text, _ESCAPED.sub(_character, text)
        if text == before:
            break
    return text


def _character(found: re.Match[str]) -> str:
    return chr(int(found[1] or found[2] or found[3], 16))


def _starts(text: str) -> list[int]:
    """Where each character of the decoded text begins in the text; after the last one, the end."""
    starts = list(range(len(text) + 1))
    for _ in range(LEVELS):
        kept, parts, end = list[int](), list[str](), 0
        for found in _ESCAPED.finditer(text):
            kept += starts[end : found.start() + 1]
            parts += (text[end : found.start()], _character(found))
            end = found.end()
        if end == 0:
            break
        starts = kept + starts[end:]
        text = "".join(parts) + text[end:]
    return starts


def _emails(pseudonymize: Pseudonymize, plain: str) -> Iterator[_Found]:
    end = 0
    for found in _ATS.finditer(plain):
        at = found.start()
        domain = _DOMAIN.match(plain, at + 1) if at >= end else None
        first = _begin_of_local(plain, at, max(end, at - MAX_LOCAL_LENGTH))
        if domain is None or first == at:
            continue
        end = domain.end()
        yield first, end, pseudonymize("email", _one_form(plain[first:end]))


def _begin_of_local(plain: str, at: int, earliest: int) -> int:
    first = at
    while first > earliest and ((mark := plain[first - 1]).isalnum() or mark > "\x7f" or mark in _LOCAL_MARKS):
        first -= 1
    return first


def _one_form(email: str) -> str:
    """The normalized form of an e-mail address, which has one pseudonym: lower case, its domain not in Punycode."""
    if not email.isascii():
        with suppress(UnicodeError):
            # Percent-encoding encodes bytes, each of which became a character.
            email = email.encode("latin-1").decode()
        email = unicodedata.normalize("NFKC", email)
    local, _, domain = email.lower().rpartition("@")
    if "xn--" in domain:
        with suppress(UnicodeError):
            domain = domain.encode().decode("idna")
    return f"{local}@{domain}"


def _addresses(
    pseudonymize: Pseudonymize, plain: str, begins: re.Pattern[str] | None, taken: list[_Found]
) -> Iterator[_Found]:
    start = 0
    if begins is not None:
        begin = begins.search(plain)
        if begin is None:
            return
        start = begin.end()
    kept = [(first, last) for first, last, _ in taken]
    for pattern, address in ((_V6, address_of), (_V4, _v4)):
        free = _Gaps(kept)
        for found in pattern.finditer(plain, start):
            known = address(found[0]) if free.has(found.start(), found.end()) else None
            if known is not None:
                kept.append((found.start(), found.end()))
                yield found.start(), found.end(), pseudonymize("client", known)


class _Gaps:
    """The parts of a text that are not taken yet; asked from left to right."""

    def __init__(self, taken: list[tuple[int, int]]) -> None:
        self._taken = sorted(taken)
        self._next = 0

    def has(self, first: int, last: int) -> bool:
        while self._next < len(self._taken) and self._taken[self._next][1] <= first:
            self._next += 1
        return self._next == len(self._taken) or self._taken[self._next][0] >= last


def _v4(text: str) -> str | None:
    """An IPv4 address; some programs write each part with three digits."""
    return address_of(".".join(part.lstrip("0") or "0" for part in text.split(".")))
