"""A customer's order days and the gaps between them, updated incrementally."""

from bisect import bisect_left, insort
from itertools import accumulate, pairwise


class OrderDays:
    """Days are counted from 1970. Stored are the first day and then the gaps, each of which takes about one byte."""

    def __init__(self, stored: list[int] | None = None) -> None:
        self._days = list(accumulate(stored or []))
        self._gaps = sorted(later - earlier for earlier, later in pairwise(self._days))
        self.is_changed = False

    def stored(self) -> list[int]:
        return [*self._days[:1], *(later - earlier for earlier, later in pairwise(self._days))]

    def add(self, day: int) -> None:
        """Add an order day, which may already be present."""
        place = bisect_left(self._days, day)
        if place < len(self._days) and self._days[place] == day:
            return
        self._exchange(place - 1, place, day, removed=False)
        self._days.insert(place, day)

    def remove(self, day: int) -> None:
        """Remove a day that no longer has orders."""
        place = bisect_left(self._days, day)
        del self._days[place]
        self._exchange(place - 1, place, day, removed=True)

    def __len__(self) -> int:
        return len(self._days)

    @property
    def last_gap(self) -> int | None:
        return self._days[-1] - self._days[-2] if len(self._days) > 1 else None

    @property
    def median_gap(self) -> float | None:
        count = len(self._gaps)
        return (self._gaps[(count - 1) // 2] + self._gaps[count // 2]) / 2 if count else None

    @property
    def longest_gap(self) -> int | None:
        return self._gaps[-1] if self._gaps else None

    def _exchange(self, before: int, after: int, day: int, *, removed: bool) -> None:
        """Replace the gap between two neighbors with the two gaps that `day` splits it into, or the reverse."""
        self.is_changed = True
        earlier = self._days[before] if before >= 0 else None
        later = self._days[after] if after < len(self._days) else None
        whole = [later - earlier] if earlier is not None and later is not None else []
        parts = [abs(day - neighbor) for neighbor in (earlier, later) if neighbor is not None]
        gone, come = (parts, whole) if removed else (whole, parts)
        for gap in gone:
            del self._gaps[bisect_left(self._gaps, gap)]
        for gap in come:
            insort(self._gaps, gap)
