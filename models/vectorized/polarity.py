"""VADER's polarity of many texts at once, equal to the last digit to `vaderSentiment`, which scores one by one.

Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", 2014. The
lexicon and the words of the rules are vaderSentiment's own. Neighboring words change the valence of a word of the
lexicon; here each rule is applied to all such words of all texts in one step. Texts with "but" or with one of VADER's
phrases are few, and vaderSentiment scores them.
"""

import string
from collections.abc import Sequence
from operator import is_
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from vaderSentiment.vaderSentiment import (
    BOOSTER_DICT,
    C_INCR,
    N_SCALAR,
    NEGATE,
    SPECIAL_CASES,
)

from models.kernels.interface import POLARITIES, Texts
from models.kernels.vader import LinearAnalyzer
from models.kernels.words import Split, Words, split

_BEFORE = 3
"""This many words before a word may change its valence."""
_DAMPED = (1.0, 0.95, 0.9)
"""The factor of a booster by its distance from the word."""
_STRENGTHENED = 1.25
_ALPHA = 15.0
_NEGATE = frozenset(NEGATE)
_PHRASES = [each.split() for each in (*SPECIAL_CASES, *BOOSTER_DICT) if " " in each]
_ENDS, _BEFORE_ENDS = ({each[place] for each in _PHRASES} for place in (-1, -2))
_CODES = {
    "no": 1,
    "or": 2,
    "nor": 2,
    "so": 3,
    "this": 3,
    "least": 4,
    "at": 5,
    "very": 5,
    "never": 6,
    "without": 7,
    "doubt": 8,
    "but": 9,
}
_NO, _OR, _SO, _LEAST, _AT, _NEVER, _WITHOUT, _DOUBT, _BUT = range(1, 10)

Numbers = NDArray[np.float64]


class _Word(NamedTuple):
    """A word without surrounding punctuation, or a column of words. `code` identifies words that rules name."""

    valence: Any
    boost: Any
    code: Any
    in_lexicon: Any
    boosts: Any
    is_upper: Any
    is_negating: Any
    is_absent: Any
    ends_phrase: Any
    is_before_end: Any


_ABSENT = _Word(0.0, 0.0, 0, False, False, False, False, True, False, False)
"""The placeholder before a text's first word."""


class Analyzer:
    """Scores texts."""

    def __init__(self) -> None:
        self._original: Any = LinearAnalyzer()
        self._lexicon: dict[str, float] = self._original.lexicon
        self._emojis: dict[str, str] = self._original.emojis
        self._known = Words(self._word)

    def polarities(self, batch: Texts) -> Numbers:
        """One row for each text, in the columns of `POLARITIES`."""
        texts = batch.texts
        if not texts:
            return np.empty((0, len(POLARITIES)))
        read = [self._without_emojis(text) for text in texts]
        known, text_of = self._words(batch.words if all(map(is_, read, texts)) else split(read))
        scores = _totals(_sentiments(known, text_of), text_of, read)
        phrase = known.ends_phrase & np.roll(known.is_before_end, 1)
        for number in np.unique(text_of[phrase | (known.code == _BUT)]).tolist():
            scores[number] = list(self._original.polarity_scores(texts[number]).values())
        return np.asarray(scores)

    def _words(self, words: Split) -> tuple[_Word, NDArray[np.int64]]:
        """The words of all texts, with `_BEFORE` placeholders before each text and at the end, and their texts."""
        lengths = np.bincount(words.text_of, minlength=words.texts) + _BEFORE
        lengths[-1] += _BEFORE
        text_of = np.repeat(np.arange(words.texts), lengths)
        found = np.zeros(len(text_of), dtype=np.int64)
        found[np.arange(len(words.place)) + _BEFORE * (words.text_of + 1)] = words.place + 1
        known = [_ABSENT, *map(self._known.__getitem__, words.words)]
        table = np.asarray(known, dtype=np.float64)[found]
        valence, boost, code, *flags = table.T
        return _Word(valence, boost, code.astype(np.int64), *(each > 0 for each in flags)), text_of

    def _word(self, token: str) -> _Word:
        stripped = token.strip(string.punctuation)
        # A token of two characters or fewer is likely an emoticon.
        text = token if len(stripped) <= 2 else stripped
        lower = text.lower()
        return _Word(
            valence=self._lexicon.get(lower, 0.0),
            boost=BOOSTER_DICT.get(lower, 0.0),
            code=_CODES.get(lower, 0),
            in_lexicon=lower in self._lexicon,
            boosts=lower in BOOSTER_DICT,
            is_upper=text.isupper(),
            is_negating=lower in _NEGATE or "n't" in lower,
            is_absent=False,
            ends_phrase=lower in _ENDS,
            is_before_end=lower in _BEFORE_ENDS,
        )

    def _without_emojis(self, text: str) -> str:
        """Replace emojis by their descriptions, separated by a space."""
        if text.isascii() or self._emojis.keys().isdisjoint(text):
            return text
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


def _sentiments(words: _Word, text_of: NDArray[np.int64]) -> Numbers:
    """The valence of each word, adjusted by its neighbors; 0 for a word that is not in the lexicon."""
    here = np.flatnonzero(words.in_lexicon & ~words.boosts)
    one, two, three = (words.code[here - back] for back in range(1, _BEFORE + 1))
    valence = words.valence[here]
    valence[(words.code[here] == _NO) & words.in_lexicon[here + 1]] = 0.0
    negated_by_no = (one == _NO) | (two == _NO) | ((three == _NO) & (one == _OR))
    valence = np.where(negated_by_no, words.valence[here] * N_SCALAR, valence)
    shouts_in_part = _shouting_in_part(words, text_of)[text_of[here]]
    valence = np.where(words.is_upper[here] & shouts_in_part, _further(valence, valence), valence)
    strengthened = (
        np.zeros(len(here), dtype=bool),
        (two == _NEVER) & (one == _SO),
        ((three == _NEVER) & (two == _SO)) | (one == _SO),
    )
    excused = (
        np.zeros(len(here), dtype=bool),
        (two == _WITHOUT) & (one == _DOUBT),
        (three == _WITHOUT) & ((two == _DOUBT) | (one == _DOUBT)),
    )
    for back in range(_BEFORE):
        earlier = here - 1 - back
        acts = ~words.in_lexicon[earlier] & ~words.is_absent[earlier]
        boost = np.where(valence < 0, -words.boost[earlier], words.boost[earlier])
        boost = np.where(words.is_upper[earlier] & shouts_in_part, _further(boost, valence), boost) * _DAMPED[back]
        valence = np.where(acts & words.boosts[earlier], valence + boost, valence)
        negated = words.is_negating[earlier] & ~excused[back]
        turned = np.where(strengthened[back], _STRENGTHENED, np.where(negated, N_SCALAR, 1.0))
        valence = np.where(acts, valence * turned, valence)
    is_least = (one == _LEAST) & ~words.in_lexicon[here - 1] & (two != _AT)
    sentiments = np.zeros(len(text_of))
    sentiments[here] = np.where(is_least, valence * N_SCALAR, valence)
    return sentiments


def _shouting_in_part(words: _Word, text_of: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether some words of each text are in capitals, and others are not."""
    upper, present = (np.bincount(text_of, weights=each) for each in (words.is_upper, ~words.is_absent))
    return (upper > 0) & (upper < present)


def _further(amount: Numbers, valence: Numbers) -> Numbers:
    """The amount, increased for capitals in the direction of the valence."""
    return np.where(valence > 0, amount + C_INCR, amount - C_INCR)


def _totals(sentiments: Numbers, text_of: NDArray[np.int64], texts: Sequence[str]) -> list[list[float]]:
    """The scores of each text: its valences combined with its exclamation and question marks."""
    marks = np.asarray([_emphasis(text) for text in texts])
    total = np.bincount(text_of, weights=sentiments)
    total += np.sign(total) * marks
    compound = np.clip(total / np.sqrt(total * total + _ALPHA), -1.0, 1.0)
    # A word with sentiment counts its valence plus one, because a word without sentiment counts one.
    positive = np.bincount(text_of, weights=np.where(sentiments > 0, sentiments + 1.0, 0.0))
    negative = np.bincount(text_of, weights=np.where(sentiments < 0, 1.0 - sentiments, 0.0))
    words = np.bincount(text_of) - _BEFORE
    words[-1] -= _BEFORE
    neutral = words - np.bincount(text_of, weights=sentiments != 0)
    positive, negative = positive + marks * (positive > negative), negative + marks * (negative > positive)
    whole = positive + negative + neutral
    shares = np.divide((negative, neutral, positive), whole, out=np.zeros((3, len(texts))), where=whole > 0)
    # Rounded like Python, not like numpy.
    return [
        [round(each, 3) for each in row] + [round(one, 4)]
        for row, one in zip(shares.T.tolist(), compound.tolist(), strict=True)
    ]


def _emphasis(text: str) -> float:
    questions = text.count("?")
    asked = 0.0 if questions < 2 else questions * 0.18 if questions <= 3 else 0.96
    return min(text.count("!"), 4) * 0.292 + asked
