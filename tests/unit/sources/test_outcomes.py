"""Runs contain the same outcomes as the single ones they are made of."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.streaming.sources.outcomes import Encoded, Ignored, Rejected, Sendable
from headrace.streaming.sources.runs import EncodedRun, InRuns, Part, parts_of


class Held(InRuns):
    def __init__(self, parts: list[Part], length: int) -> None:
        self._parts = parts
        self._length = length

    def parts(self) -> list[Part]:
        return self._parts

    def __len__(self) -> int:
        return self._length


OUTCOMES = st.lists(
    st.one_of(
        st.builds(Encoded, st.sampled_from(["orders", "web_logs"]), st.binary(max_size=3), st.binary(max_size=3)),
        st.builds(Ignored, st.just("empty line")),
        st.builds(Rejected, st.just("orders"), st.just("no"), st.binary(max_size=3), st.integers(1, 9)),
    )
)


@given(OUTCOMES)
def test_outcomes_are_unchanged_by_runs(outcomes: list[Sendable]) -> None:
    held = Held(parts_of(outcomes), len(outcomes))
    assert list(held) == held[:] == outcomes
    assert [held[index] for index in range(len(held))] == outcomes


def test_a_run_ends_at_another_topic_and_at_what_is_no_event() -> None:
    first, second, other = Encoded("orders", b"a", b"1"), Encoded("orders", b"b", b"2"), Encoded("web_logs", b"c", b"3")
    assert parts_of([first, second, other, Ignored("x"), other]) == [
        EncodedRun("orders", [b"a", b"b"], [b"1", b"2"]),
        EncodedRun("web_logs", [b"c"], [b"3"]),
        Ignored("x"),
        EncodedRun("web_logs", [b"c"], [b"3"]),
    ]
