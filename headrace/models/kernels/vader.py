"""VADER's scores of texts: vaderSentiment's own analyzer in time proportional to the text, the same to the last digit.

The original copies all words of a text for each word of the lexicon, and looks each valence up from the text's start.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from headrace.models.kernels.interface import Numbers

POLARITIES = ("negative", "neutral", "positive", "compound")
_BEFORE, _AFTER = 3, 2
"""This many words around a word affect its valence."""
_SCALE_BEFORE_BUT, _SCALE_AFTER_BUT = 0.5, 1.5


def polarities(texts: Sequence[str]) -> Numbers:
    """One row for each text, in the columns of `POLARITIES`."""
    score = _analyzer().polarity_scores
    rows = [list(score(text).values()) for text in texts]
    return np.asarray(rows, dtype=np.float64).reshape(-1, len(POLARITIES))


@cache
def _analyzer() -> "LinearAnalyzer":
    return LinearAnalyzer()


class LinearAnalyzer(SentimentIntensityAnalyzer):
    """Scores one text."""

    @staticmethod
    def _special_idioms_check(valence: float, words_and_emoticons: list[str], i: int) -> float:
        near, place = _near(words_and_emoticons, i)
        return _ORIGINAL._special_idioms_check(valence, near, place)  # noqa: SLF001  the original rule, on fewer words

    @staticmethod
    def _negation_check(valence: float, words_and_emoticons: list[str], start_i: int, i: int) -> float:
        near, place = _near(words_and_emoticons, i)
        return _ORIGINAL._negation_check(valence, near, start_i, place)  # noqa: SLF001

    @staticmethod
    def _but_check(words_and_emoticons: list[str], sentiments: list[float]) -> list[float]:
        """Halve valences before the first "but", and strengthen those after it.

        The original changes, for each valence in turn, the first one that equals it at that moment.
        """
        but = next((place for place, word in enumerate(words_and_emoticons) if word.lower() == "but"), None)
        if but is None:
            return sentiments
        places: dict[float, list[int]] = defaultdict(list)
        for place, valence in enumerate(sentiments):
            places[valence].append(place)
        for heap in places.values():
            heapify(heap)
        for at in range(len(sentiments)):
            valence = sentiments[at]
            first = places[valence][0]
            if first == but:
                continue
            scaled = valence * (_SCALE_BEFORE_BUT if first < but else _SCALE_AFTER_BUT)
            if scaled != valence:
                heappush(places[scaled], heappop(places[valence]))
            sentiments[first] = scaled
        return sentiments


_ORIGINAL: Any = SentimentIntensityAnalyzer


def _near(words: list[str], place: int) -> tuple[list[str], int]:
    start = max(0, place - _BEFORE)
    return words[start : place + _AFTER + 1], place - start
