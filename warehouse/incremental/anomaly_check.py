"""Whether a day has an unusual number of rows. Pure: counts by day in, a verdict out.

The bounds are estimated from the days before it, by median and median absolute deviation, which are robust to outliers;
a day is unusual beyond 3.5 estimated deviations (Iglewicz and Hoaglin 1993, "How to Detect and Handle Outliers"). Most
counts have a weekly pattern, so a day is compared with the same weekdays if there are enough of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, floor, sqrt
from statistics import median

WEEKS = 8
"""Weeks of history that the bounds are estimated from."""
LEAST_WEEKDAYS = 5
LEAST_DAYS = 14
CUTOFF = 3.5
_NORMAL = 0.6745
"""Median absolute deviation of a standard normal distribution."""


@dataclass(frozen=True)
class Verdict:
    """The verdict on a day's count. `low` and `high` are None if there is too little history."""

    day: date
    count: int
    low: int | None
    high: int | None
    basis: str

    @property
    def is_usual(self) -> bool:
        return self.low is None or self.high is None or self.low <= self.count <= self.high

    @property
    def sentence(self) -> str:
        if self.low is None:
            return f"{self.day}: {self.count:,} rows; too little history to judge it: {self.basis}."
        usual = "as usual" if self.is_usual else "unusual"
        return f"{self.day}: {self.count:,} rows, {usual}; {self.low:,} to {self.high:,} by {self.basis}."


def judge(counts: Mapping[date, int]) -> Verdict | None:
    """Judge the last complete day, which is the one before the latest; None without one.

    A day between the first and the last without rows has 0.
    """
    if not counts or max(counts) == min(counts):
        return None
    day = max(counts) - timedelta(days=1)
    earliest = max(min(counts), day - timedelta(weeks=WEEKS))
    before = [day - timedelta(days=back) for back in range(1, (day - earliest).days + 1)]
    weekdays = [each for each in before if each.weekday() == day.weekday()]
    count = counts.get(day, 0)
    if len(weekdays) >= LEAST_WEEKDAYS:
        chosen, basis = weekdays, f"{len(weekdays)} {day:%A}s before it"
    elif len(before) >= LEAST_DAYS:
        chosen, basis = before, f"{len(before)} days before it"
    else:
        return Verdict(day, count, None, None, f"{len(before)} of {LEAST_DAYS} days")
    low, high = bounds([counts.get(each, 0) for each in chosen])
    return Verdict(day, count, low, high, basis)


def bounds(history: list[int]) -> tuple[int, int]:
    """The lowest and the highest usual count. Never narrower than the spread of a Poisson distribution."""
    middle = median(history)
    deviation = median(abs(each - middle) for each in history) / _NORMAL
    spread = CUTOFF * max(deviation, sqrt(middle), 1.0)
    return max(0, ceil(middle - spread)), floor(middle + spread)
