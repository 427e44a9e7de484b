"""VADER's polarity of texts, the same to the last digit as `vaderSentiment` tells it, at a fraction of its time.

Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", 2014. The
lexicon and the words of the rules are vaderSentiment's own; the rules are applied at the words of the lexicon alone,
and what is to be known of a word is looked up once.
"""

import string
from collections.abc import Sequence
from math import sqrt
from typing import Any, NamedTuple

from vaderSentiment.vaderSentiment import (
    BOOSTER_DICT,
    C_INCR,
    N_SCALAR,
    NEGATE,
    SPECIAL_CASES,
    SentimentIntensityAnalyzer,
)

from models.sentiment.words import Words

_DAMPED = (1.0, 0.95, 0.9)
"""What a booster counts that stands so many words before the last one."""
_NEGATE = frozenset(NEGATE)
_ENDS_OF_PHRASES = frozenset(each.split()[-1] for each in (*SPECIAL_CASES, *BOOSTER_DICT) if " " in each)
_OF_THE_RULES = _NEGATE | _ENDS_OF_PHRASES | {"no", "so", "this", "least"}
_BEFORE, _AFTER = 3, 2
"""So many words around a word may change its valence."""
_ALPHA = 15.0


class Polarity(NamedTuple):
    """Shares of the text that are negative, neutral and positive, and the compound score from -1 to 1."""

    neg: float
    neu: float
    pos: float
    compound: float


class _Word(NamedTuple):
    """A word without the punctuation around it. `valence` is None of a word that is not in the lexicon.

    `acts`: whether it may change the valence of words near it.
    """

    text: str
    lower: str
    is_upper: bool
    valence: float | None
    boost: float | None
    is_negating: bool
    acts: bool


class Analyzer:
    """Tells the polarity of texts."""

    def __init__(self) -> None:
        self._original: Any = SentimentIntensityAnalyzer()
        self._lexicon: dict[str, float] = self._original.lexicon
        self._emojis: dict[str, str] = self._original.emojis
        self._known = Words(self._word)

    def polarity(self, text: str) -> Polarity:
        if not text.isascii():
            text = self._without_emojis(text)
        words = [self._known[token] for token in text.split()]
        upper = sum([word.is_upper for word in words])
        shouts_in_part = 0 < upper < len(words)
        acting = [word.acts for word in words]
        sentiments = [0.0] * len(words)
        for place, word in enumerate(words):
            if word.valence is not None and word.boost is None and not _is_kind_of(words, place):
                if True in acting[max(place - _BEFORE, 0) : place + _AFTER + 1]:
                    sentiments[place] = self._valence(words, place, word.valence, shouts_in_part)
                else:
                    sentiments[place] = _shouted(word, word.valence, shouts_in_part)
        if "but" in [word.lower for word in words]:
            # The original's way, which takes equal sentiments for one.
            sentiments = self._original._but_check([word.text for word in words], sentiments)  # noqa: SLF001
        return _polarity(sentiments, text)

    def _without_emojis(self, text: str) -> str:
        """Emojis by their descriptions, set apart by a space."""
        parts: list[str] = []
        for character in text:
            description = self._emojis.get(character)
            if description is None:
                parts.append(character)
            else:
                if parts and parts[-1] != " ":
                    parts.append(" ")
                parts.append(description)
        return "".join(parts)

    def _word(self, token: str) -> _Word:
        stripped = token.strip(string.punctuation)
        # Two characters or fewer are likely an emoticon.
        text = token if len(stripped) <= 2 else stripped
        lower = text.lower()
        boost = BOOSTER_DICT.get(lower)
        is_negating = lower in _NEGATE or "n't" in lower
        acts = boost is not None or is_negating or lower in _OF_THE_RULES
        return _Word(text, lower, text.isupper(), self._lexicon.get(lower), boost, is_negating, acts)

    def _valence(self, words: Sequence[_Word], place: int, valence: float, shouts_in_part: bool) -> float:
        """A word's valence, after what stands around it."""
        word, before = words[place], [words[place - back] for back in range(1, min(place, _BEFORE) + 1)]
        if word.lower == "no" and place + 1 < len(words) and words[place + 1].valence is not None:
            valence = 0.0
        if _is_refused(before):
            valence = self._lexicon[word.lower] * N_SCALAR
        valence = _shouted(word, valence, shouts_in_part)
        for back, earlier in enumerate(before):
            if earlier.valence is None:
                if earlier.boost is not None:
                    valence += _boost(earlier, valence, shouts_in_part) * _DAMPED[back]
                valence = _negated(valence, before, back)
                if back == 2:
                    valence = _idioms(valence, [each.lower for each in words[place - _BEFORE : place + _AFTER + 1]])
        is_least = bool(before) and before[0].lower == "least" and before[0].valence is None
        return valence * N_SCALAR if is_least and not _is_at_least(before) else valence


def _is_kind_of(words: Sequence[_Word], place: int) -> bool:
    return words[place].lower == "kind" and place + 1 < len(words) and words[place + 1].lower == "of"


def _is_refused(before: Sequence[_Word]) -> bool:
    """Whether a "no" stands before it."""
    if any(each.lower == "no" for each in before[:2]):
        return True
    return len(before) > 2 and before[2].lower == "no" and before[0].lower in ("or", "nor")


def _is_at_least(before: Sequence[_Word]) -> bool:
    return len(before) > 1 and before[1].lower in ("at", "very")


def _away(amount: float, valence: float) -> float:
    """The amount in the direction away from nothing."""
    return amount if valence > 0 else -amount


def _boost(word: _Word, valence: float, shouts_in_part: bool) -> float:
    boost = word.boost or 0.0
    if valence < 0:
        boost = -boost
    return boost + _away(C_INCR, valence) if word.is_upper and shouts_in_part else boost


def _shouted(word: _Word, valence: float, shouts_in_part: bool) -> float:
    """More of it, where this word is in capitals and others are not."""
    return valence + _away(C_INCR, valence) if word.is_upper and shouts_in_part else valence


def _negated(valence: float, before: Sequence[_Word], back: int) -> float:
    """Turned by a negation so many words back, or strengthened by "never so"."""
    lower = [each.lower for each in before]
    if back == 1 and lower[1] == "never" and lower[0] in ("so", "this"):
        return valence * 1.25
    if back == 2 and ((lower[2] == "never" and lower[1] in ("so", "this")) or lower[0] in ("so", "this")):
        return valence * 1.25
    if back > 0 and lower[back] == "without" and "doubt" in lower[:back]:
        return valence
    return valence * N_SCALAR if before[back].is_negating else valence


def _idioms(valence: float, around: Sequence[str]) -> float:
    """Phrases: of the three words before a word, itself, and the two after it."""
    three, two, one, word, *after = around
    backward = (f"{one} {word}", f"{two} {one} {word}", f"{two} {one}", f"{three} {two} {one}", f"{three} {two}")
    valence = next((SPECIAL_CASES[each] for each in backward if each in SPECIAL_CASES), valence)
    for length in range(1, len(after) + 1):
        valence = SPECIAL_CASES.get(" ".join((word, *after[:length])), valence)
    for phrase in (backward[3], backward[4], backward[2]):
        valence += BOOSTER_DICT.get(phrase, 0.0)
    return valence


def _polarity(sentiments: Sequence[float], text: str) -> Polarity:
    """All valences of a text together, with its exclamation and question marks."""
    if not sentiments:
        return Polarity(0.0, 0.0, 0.0, 0.0)
    marks = _emphasis(text)
    total = _away_by(marks, sum(sentiments))
    compound = min(max(total / sqrt(total * total + _ALPHA), -1.0), 1.0)
    # A word of sentiment counts one more than its valence, since one without counts one.
    positive = sum([each + 1.0 for each in sentiments if each > 0], 0.0)
    negative = -sum([each - 1.0 for each in sentiments if each < 0], 0.0)
    neutral = sentiments.count(0)
    if positive > negative:
        positive += marks
    elif positive < negative:
        negative += marks
    whole = positive + negative + neutral
    return Polarity(
        round(negative / whole, 3), round(neutral / whole, 3), round(positive / whole, 3), round(compound, 4)
    )


def _emphasis(text: str) -> float:
    questions = text.count("?")
    asked = 0.0 if questions < 2 else questions * 0.18 if questions <= 3 else 0.96
    return min(text.count("!"), 4) * 0.292 + asked


def _away_by(amount: float, total: float) -> float:
    """The total further away from nothing; nothing stays nothing."""
    return total + amount if total > 0 else total - amount if total < 0 else total
