"""A cache of values computed per word: most words of a stream recur."""

from collections.abc import Callable
from typing import TypeVar

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
