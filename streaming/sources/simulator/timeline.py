"""What happens in a simulation, in the order of its time."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from contracts.types import Event
from streaming.sources.simulator.hits import Hit


@dataclass(frozen=True)
class Emitted:
    """An event from a system other than the web server. Its `event_time` is set when it is emitted."""

    topic: str
    key: str
    event: Event


Happening = Hit | Emitted
Activity = Callable[[float], None]
"""Something that, at its time, makes things happen and plans what follows."""


class Timeline:
    """Happenings and activities by time, in seconds after the start; those of one time as they were added."""

    def __init__(self) -> None:
        self._planned: list[tuple[float, int, Happening | Activity]] = []
        self._added = 0

    def add(self, at_s: float, what: Happening | Activity) -> None:
        heapq.heappush(self._planned, (at_s, self._added, what))
        self._added += 1

    def until(self, end_s: float) -> Iterator[tuple[float, Happening]]:
        """Everything before `end_s`, with its time. Activities run on the way, and may add more."""
        while self._planned and self._planned[0][0] < end_s:
            at_s, _, what = heapq.heappop(self._planned)
            if isinstance(what, Hit | Emitted):
                yield at_s, what
            else:
                what(at_s)
