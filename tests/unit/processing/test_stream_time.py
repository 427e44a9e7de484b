"""Stream time of a batch."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from headrace.streaming.runtime.processing.stream_time import LEAD, bounded

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ARRIVED_MS = int(START.timestamp() * 1_000)
MINUTES = st.one_of(st.integers(-30, 30), st.just(60 * 24 * 365 * 900))


@given(st.lists(st.tuples(MINUTES, st.one_of(st.none(), st.integers(-30, 30))), min_size=1, max_size=40))
def test_each_time_is_at_most_the_lead_past_the_arrival_of_its_own_record(
    drawn: Sequence[tuple[int, int | None]],
) -> None:
    times = [START + timedelta(minutes=time) for time, _ in drawn]
    arrivals = [None if minutes is None else ARRIVED_MS + minutes * 60_000 for _, minutes in drawn]
    assert list(bounded(times, arrivals)) == [
        time if minutes is None else min(time, START + timedelta(minutes=minutes) + LEAD)
        for time, (_, minutes) in zip(times, drawn, strict=True)
    ]
