"""A day is judged by the days before it, and not judged when these are too few."""

from datetime import date, timedelta

import pytest

from headrace.warehouse.incremental.anomaly_check import bounds, judge

LAST = date(2026, 3, 11)


def _days(counts: list[int]) -> dict[date, int]:
    """The counts of the days that end with the latest, which is not complete."""
    return {LAST - timedelta(days=back): count for back, count in enumerate(reversed(counts))}


def test_a_day_like_the_others_is_usual_and_one_unlike_them_is_not() -> None:
    steady = [100, 104, 97, 101, 99, 103, 96] * 9
    usual, low, high = (judge(_days([*steady, count, 3])) for count in (98, 20, 400))
    assert usual is not None
    assert usual.is_usual
    assert low is not None
    assert not low.is_usual
    assert high is not None
    assert not high.is_usual
    assert low.day == LAST - timedelta(days=1)
    assert "20 rows, unusual" in low.sentence


def test_a_day_is_held_against_its_own_weekdays_where_there_are_enough() -> None:
    closed_on_tuesdays = {
        LAST - timedelta(days=back): 0 if (LAST - timedelta(days=back)).weekday() == 1 else 500 for back in range(70)
    }
    verdict = judge(closed_on_tuesdays)
    assert verdict is not None
    assert (verdict.day.weekday(), verdict.count, verdict.is_usual) == (1, 0, True)
    assert "Tuesdays" in verdict.basis


def test_a_few_odd_days_do_not_widen_the_bounds() -> None:
    assert bounds([100] * 20 + [5_000, 0]) == bounds([100] * 22)


def test_a_day_without_rows_counts_as_none() -> None:
    counts = _days([200] * 30)
    del counts[LAST - timedelta(days=1)]
    verdict = judge(counts)
    assert verdict is not None
    assert (verdict.count, verdict.is_usual) == (0, False)


@pytest.mark.parametrize("days", [2, 5, 14])
def test_too_little_history_is_reported_and_not_judged(days: int) -> None:
    verdict = judge(_days([100] * (days - 1) + [9_999, 1]))
    assert verdict is not None
    assert (verdict.is_usual, verdict.low) == (True, None)
    assert "too little history" in verdict.sentence


def test_without_a_complete_day_nothing_is_reported() -> None:
    assert judge({}) is None
    assert judge({LAST: 7}) is None
