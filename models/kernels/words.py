"""The words of texts, and a cache of values computed per word: most words of a stream recur."""

from collections.abc import Callable, Sequence
from itertools import chain, count
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

MOST_WORDS, LONGEST_WORD = 50_000, 40
"""Bounds of the cache, which is cleared when it is full: words of a stream are unbounded in number and length."""

T = TypeVar("T")


class Words(dict[str, T]):
    """A cache: a dictionary that computes missing values."""

    def __init__(self, made: Callable[[str], T]) -> None:
        super().__init__()
        self._made = made

    def __missing__(self, word: str) -> T:
        value = self._made(word)
        if len(word) <= LONGEST_WORD:
            if len(self) >= MOST_WORDS:
                self.clear()
            self[word] = value
        return value


class Split(NamedTuple):
    """The words of texts in sequence: `words[place[i]]` is the i-th word, in text `text_of[i]`.

    `words` has each word once; `texts` is the number of texts.
    """

    words: list[str]
    place: NDArray[np.int64]
    text_of: NDArray[np.int64]
    texts: int


def split(texts: Sequence[str]) -> Split:
    """Split each text like `str.split`."""
    return placed([text.split() for text in texts])


def placed(parts: Sequence[Sequence[str]]) -> Split:
    """The `Split` of texts that are already split into words."""
    every = list(chain.from_iterable(parts))
    places = dict(zip(dict.fromkeys(every), count(), strict=False))
    place = np.fromiter(map(places.__getitem__, every), dtype=np.int64, count=len(every))
    text_of = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return Split(list(places), place, text_of, len(parts))
