"""The simulated events in order of time."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from headrace.cases.ecommerce.simulator.hits import Hit
from headrace.contracts.types import Event


@dataclass(frozen=True)
class Emitted:
    """An event from a system other than the web server. Its `event_time` is set when it is emitted."""

    topic: str
    key: str
    event: Event


Happening = Hit | Emitted
Activity = Callable[[float], None]
"""An activity: at its time it emits events and plans others."""


class Timeline:
    """Events and activities by time, in seconds after the start; those of one time in the order they were added."""

    def __init__(self) -> None:
        self._planned: list[tuple[float, int, Happening | Activity]] = []
        self._added = 0

    def add(self, at_s: float, what: Happening | Activity) -> None:
        heapq.heappush(self._planned, (at_s, self._added, what))
        self._added += 1

    def until(self, end_s: float) -> Iterator[tuple[float, Happening]]:
        """All events before `end_s`, with their times. Activities run in between, and may add more."""
        while self._planned and self._planned[0][0] < end_s:
            at_s, _, what = heapq.heappop(self._planned)
            if isinstance(what, Hit | Emitted):
                yield at_s, what
            else:
                what(at_s)
