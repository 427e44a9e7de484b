"""What the sentiment model reads: the cleaned text, and whether it is in a language that the model knows.

Training and scoring both read through this module, so that they read the same.
"""

import html
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Literal

from py3langid.langid import MODEL_FILE, LanguageIdentifier

READABLE = "en"
MIN_LETTERS = 20
"""Shorter texts are too short to tell a language by; what the author declared counts then, or else English."""
MIN_PROBABILITY = 0.8

Unreadable = Literal["no text", "language"]

_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,500}>|<!--.*?-->", re.DOTALL)
_URL = re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)
_MENTION = re.compile(r"(?<![\w@.])@[\w.-]+(?:@[\w.-]+)?")
_HASH = re.compile(r"#(?=\w)")
_REPEATED = re.compile(r"([^\W\d_])\1{2,}")
_LETTER = re.compile(r"[^\W\d_]")
_SYMBOL = ("So", "Sk")


@dataclass(frozen=True)
class Readable:
    """What a text is to the model: its language, where one could be told, and why the model cannot read it, if so."""

    text: str
    language: str | None
    unreadable: Unreadable | None


def clean(text: str) -> str:
    """The text without markup, addresses and mentions; letters repeated thrice or more are left twice; emoji stay."""
    text = unicodedata.normalize("NFC", html.unescape(_TAG.sub(" ", text)))
    text = _MENTION.sub(" ", _URL.sub(" ", text))
    text = _REPEATED.sub(r"\1\1", _HASH.sub("", text))
    return " ".join(text.split())


def read(text: str | None, declared: str | None) -> Readable:
    """Clean a text and tell its language. `declared` is the author's or the platform's own word on it (ISO 639)."""
    cleaned = clean(text or "")
    letters = len(_LETTER.findall(cleaned))
    if not letters:
        has_emoji = any(unicodedata.category(character) in _SYMBOL for character in cleaned)
        return Readable(cleaned, None, None if has_emoji else "no text")
    language = _language(cleaned, letters, _primary(declared))
    return Readable(cleaned, language, None if language == READABLE else "language")


def _language(cleaned: str, letters: int, declared: str | None) -> str:
    if letters < MIN_LETTERS:
        return declared or READABLE
    language, probability = _identifier().classify(cleaned)
    return str(language) if probability >= MIN_PROBABILITY else declared or READABLE


def _primary(declared: str | None) -> str | None:
    """`en` of `en-GB`; None for what says nothing."""
    primary = (declared or "").replace("_", "-").split("-")[0].lower()
    return primary if primary not in ("", "und", "mul", "zxx") else None


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
