"""Whether a reader of foreign text takes time in proportion to its length: a longer text is read, and timed."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LONGER = 4
MOST = 8.0
"""A quadratic reader takes 16 times as long for a text 4 times as long; a linear one 4 times, and what load adds."""
LITTLE_SECONDS = 0.02
"""Shorter times cannot be distinguished from noise."""


def assert_linear(read: Callable[[T], object], text: Callable[[int], T], size: int) -> None:
    """`text(n)` gives a text of n parts; `size` is the shorter one's."""
    for attempt in range(3):
        short, long = (_seconds(read, text(parts)) for parts in (size, LONGER * size))
        if long <= max(LITTLE_SECONDS, MOST * short):
            return
        if attempt == 2:
            raise AssertionError(f"{LONGER} times the text took {long / short:.1f} times as long: {long:.3f} s")


def _seconds(read: Callable[[T], object], text: T) -> float:
    # Of this thread alone: other processes of the machine do not count.
    began = time.thread_time()
    read(text)
    return max(time.thread_time() - began, 1e-6)
