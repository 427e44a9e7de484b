"""Reading of texts for the sentiment model: cleaning, and detection of a language that the model does not know.

Training and scoring both use this module, so that they read texts alike.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from headrace.contracts.texts import normalized, unescape
from headrace.models.kernels.interface import Language
from headrace.models.kernels.words import Words
from headrace.models.scoring import kernels

READABLE = "en"
MIN_LETTERS = 20
"""Shorter texts in Latin script are too short for language detection: the declared language counts, or English."""
MIN_PROBABILITY = 0.8

UNDETERMINED = "und"
"""ISO 639's code for a language that is not known."""

Unreadable = Literal["no text", "language"]

_COMMENT_END = "-->"
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,500}>")
_URL = re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)
_MENTION = re.compile(r"(?<![\w@.])@[\w.-]+(?:@[\w.-]+)?")
_HASH = re.compile(r"#(?=\w)")
_REPEATED = re.compile(r"([^\W\d_])\1{2,}")
_LETTER = re.compile(r"[^\W\d_]")
# Latin letters of any language, including their full-width and mathematical forms.
_LATIN = re.compile(
    "[A-Za-z\u00aa\u00ba\u00c0-\u02af\u1d00-\u1dbf\u1e00-\u1eff\u2c60-\u2c7f\ua720-\ua7ff\uab30-\uab64\ufb00-\ufb06"
    "\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff]"
)
_NO_ASCII_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())
_SYMBOL = ("So", "Sk")


@dataclass(frozen=True)
class Readable:
    """A cleaned text, its language if it was detected, and the reason why the model cannot read it, if any."""

    text: str
    language: str | None
    unreadable: Unreadable | None


def _squeeze(word: str) -> str:
    return _REPEATED.sub(r"\1\1", word)


_squeezed = Words(_squeeze)


def clean(text: str) -> str:
    """The text without markup, URLs and mentions; runs of three or more equal letters become two; emoji stay."""
    # Each pattern runs only if its character occurs: looking for a character is much cheaper than a pattern.
    if "<" in text:
        text = _without_tags(text)
    text = normalized(unescape(text))
    if "://" in text or "www." in text.lower():
        text = _URL.sub(" ", text)
    if "@" in text:
        text = _MENTION.sub(" ", text)
    if "#" in text:
        text = _HASH.sub("", text)
    return " ".join([_squeezed[word] for word in text.split()])


def _without_tags(text: str) -> str:
    """Replace tags and comments by spaces. An unclosed comment is text: a search for its end takes quadratic time."""
    ended = text.rfind(_COMMENT_END) + len(_COMMENT_END)
    if "<!--" in text:
        text = _COMMENT.sub(" ", text[:ended]) + text[ended:]
    return _TAG.sub(" ", text)


class _Letters(NamedTuple):
    """The number of letters of a text, and whether most of them are not Latin."""

    number: int
    are_foreign: bool


def _letters(text: str) -> _Letters:
    if text.isascii():
        return _Letters(len(text.encode().translate(None, _NO_ASCII_LETTERS)), are_foreign=False)
    count = len(_LETTER.findall(text))
    return _Letters(count, are_foreign=2 * len(_LATIN.findall(text)) < count)


def read(text: str | None, declared: str | None) -> Readable:
    """Clean a text and detect its language. `declared` is the language by author or platform (ISO 639)."""
    return read_all([(text, declared)])[0]


def read_all(given: Iterable[tuple[str | None, str | None]]) -> list[Readable]:
    """Read many texts, each with its declared language; faster than one by one."""
    texts = [(clean(text or ""), declared) for text, declared in given]
    letters = [_letters(text) for text, _ in texts]
    pairs = list(zip(texts, letters, strict=True))
    detected = iter(kernels().languages([text for (text, _), count in pairs if _is_detectable(count)]))
    return [
        _readable(text, count, _primary(declared), next(detected) if _is_detectable(count) else None)
        for (text, declared), count in pairs
    ]


def _is_detectable(letters: _Letters) -> bool:
    return letters.number >= MIN_LETTERS or letters.are_foreign


def _readable(text: str, letters: _Letters, declared: str | None, detected: Language | None) -> Readable:
    if not letters.number:
        has_emoji = any(unicodedata.category(character) in _SYMBOL for character in text)
        return Readable(text, None, None if has_emoji else "no text")
    language = (
        detected.name if detected is not None and detected.probability >= MIN_PROBABILITY else declared or READABLE
    )
    if letters.are_foreign and language == READABLE:
        likely = detected.name if detected is not None else READABLE
        language = likely if likely != READABLE else UNDETERMINED
    return Readable(text, language, None if language == READABLE else "language")


def _primary(declared: str | None) -> str | None:
    """`en` for `en-GB`; None for codes that name no language."""
    primary = (declared or "").replace("_", "-").split("-")[0].lower()
    return primary if primary not in ("", "und", "mul", "zxx") else None
