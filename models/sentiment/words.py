"""What was made of a word, remembered: most words of a stream come again."""

from collections.abc import Callable
from typing import TypeVar

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
