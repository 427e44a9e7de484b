"""Order days that are updated step by step equal those counted from scratch."""

from itertools import pairwise
from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from headrace.cases.ecommerce.processors.order_days import OrderDays

DAYS = st.integers(-3, 12)


@given(st.lists(st.tuples(DAYS, st.booleans(), st.booleans())))
def test_days_that_come_and_go_leave_the_gaps_of_those_that_are_there(steps: list[tuple[int, bool, bool]]) -> None:
    days, plain = OrderDays(), set[int]()
    for day, removes, reopens in steps:
        if removes and day in plain:
            days.remove(day)
            plain.remove(day)
        else:
            days.add(day)
            plain.add(day)
        gaps = [later - earlier for earlier, later in pairwise(sorted(plain))]
        assert (len(days), days.last_gap) == (len(plain), gaps[-1] if gaps else None)
        assert days.median_gap == (float(median(gaps)) if gaps else None)
        assert days.longest_gap == max(gaps, default=None)
        if reopens:
            days = OrderDays(days.stored())
            assert not days.is_changed
