"""Rate limit per caller: the generic cell rate algorithm, with one timestamp per caller."""

from collections import OrderedDict
from collections.abc import Callable

REMEMBERED_CALLERS = 50_000


class RateLimit:
    """At most `rate` requests a second and caller, and `burst` of them at once."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._interval = 1 / rate
        self._tolerance = self._interval * max(0.0, burst - 1)
        self._clock = clock
        self._due: OrderedDict[str, float] = OrderedDict()

    def wait(self, caller: str) -> float:
        """0.0 when the request may pass; otherwise the seconds after which one may."""
        now = self._clock()
        due = max(self._due.get(caller, now), now)
        if due - now > self._tolerance:
            return due - now - self._tolerance
        self._due[caller] = due + self._interval
        self._due.move_to_end(caller)
        if len(self._due) > REMEMBERED_CALLERS:
            self._due.popitem(last=False)
        return 0.0
