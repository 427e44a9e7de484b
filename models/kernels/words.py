"""The words of texts, and what was made of a word, remembered: most words of a stream come again."""

from collections.abc import Callable, Sequence
from itertools import chain, count
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

MOST_WORDS, LONGEST_WORD = 50_000, 40
"""A stream has words without end, some of them of any length: so many are remembered before all are forgotten."""

T = TypeVar("T")


class Words(dict[str, T]):
    """A dictionary that makes what it does not hold."""

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
    """The words of texts one after the other: `words[place[i]]` is the i-th, and is of text `text_of[i]`.

    `words` has each word once; `texts` is the number of texts.
    """

    words: list[str]
    place: NDArray[np.int64]
    text_of: NDArray[np.int64]
    texts: int


def split(texts: Sequence[str]) -> Split:
    """As `str.split` splits each."""
    return placed([text.split() for text in texts])


def placed(parts: Sequence[Sequence[str]]) -> Split:
    """Of texts that are split already."""
    every = list(chain.from_iterable(parts))
    places = dict(zip(dict.fromkeys(every), count(), strict=False))
    place = np.fromiter(map(places.__getitem__, every), dtype=np.int64, count=len(every))
    text_of = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return Split(list(places), place, text_of, len(parts))
