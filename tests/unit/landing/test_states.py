"""The lander's states: the transitions in the tables are possible, and no others."""

from collections.abc import Callable
from itertools import product

import pytest

from headrace.contracts.errors import Terminal
from headrace.streaming.landing.states import (
    BACKOFF_SECONDS,
    FLOW_TRANSITIONS,
    PARTITION_TRANSITIONS,
    Flow,
    FlowState,
    Partitions,
    ResumePoints,
    State,
)

KEY, OTHER = ("orders", 0), ("orders", 1)
LEADING_TO: dict[State, Callable[[Partitions], object]] = {
    State.ASSIGNED: lambda partitions: partitions.assign([KEY]),
    State.CAREFUL: lambda partitions: partitions.set_careful({KEY: 7}),
    State.JOINING: lambda partitions: partitions.join({KEY: 7}),
    State.READING: lambda partitions: partitions.read({KEY: 7}),
    State.STOPPED: lambda partitions: partitions.learn(ResumePoints({}, {KEY: "expired"}, {})),
}
STATES = [None, *State]


def partitions_with(state: State | None) -> Partitions:
    """A partition in this state, and another one that is read."""
    partitions = Partitions()
    partitions.assign([OTHER])
    partitions.read({OTHER: 3})
    if state is not None:
        partitions.assign([KEY])
    if state not in (None, State.ASSIGNED):
        LEADING_TO[state](partitions)
    assert partitions.state(KEY) is state
    return partitions


def assert_consistent(partitions: Partitions, state: State | None) -> None:
    """Everything that a lander asks agrees with the state, and the other partition is as it was."""
    assert (partitions.state(KEY), partitions.state(OTHER)) == (state, State.READING)
    assert partitions.assigned == ([OTHER] if state is None else [OTHER, KEY])
    assert partitions.reading == {OTHER: 3} | ({KEY: 7} if state is State.READING else {})
    assert partitions.joining == ({KEY: 7} if state is State.JOINING else {})
    assert partitions.careful == ({KEY: 7} if state is State.CAREFUL else {})
    assert partitions.stopped == ({KEY} if state is State.STOPPED else set())


@pytest.mark.parametrize(("before", "after"), list(product(STATES, State)))
def test_a_partition_takes_the_transitions_of_the_table_and_no_others(before: State | None, after: State) -> None:
    partitions = partitions_with(before)
    reading = partitions.reading
    if after in PARTITION_TRANSITIONS[before]:
        LEADING_TO[after](partitions)
        assert_consistent(partitions, after)
    elif before is after is State.STOPPED:
        assert LEADING_TO[after](partitions) == [], "it was reported when it stopped"
        assert_consistent(partitions, before)
    else:
        with pytest.raises(Terminal, match=f"orders-0 cannot become {after.value}"):
            LEADING_TO[after](partitions)
        assert_consistent(partitions, before)
    assert partitions.reading is reading, "buffers advance it in place"


@pytest.mark.parametrize("state", STATES)
def test_a_partition_is_revoked_from_any_state(state: State | None) -> None:
    partitions = partitions_with(state)
    partitions.revoke([KEY])
    assert_consistent(partitions, None)
    partitions.assign([KEY])
    assert_consistent(partitions, State.ASSIGNED)


@pytest.mark.parametrize("state", State)
def test_a_reset_forgets_every_position_and_leaves_stopped_partitions_stopped(state: State) -> None:
    partitions = partitions_with(state)
    partitions.reset()
    assert partitions.state(KEY) is (State.STOPPED if state is State.STOPPED else State.ASSIGNED)
    assert (partitions.reading, partitions.joining, partitions.careful) == ({}, {}, {})
    partitions.read({KEY: 9, OTHER: 4})  # as a recovery does once the gap is accepted
    assert (partitions.reading, partitions.stopped) == ({KEY: 9, OTHER: 4}, set())


def flow_in(state: FlowState) -> Flow:
    flow = Flow(lambda: 0.0)
    {FlowState.RUNNING: lambda: None, FlowState.PAUSED: flow.pause, FlowState.RECOVERING: flow.reset}[state]()
    assert flow.state is state
    return flow


@pytest.mark.parametrize(("before", "after"), list(product(FlowState, FlowState)))
def test_the_lander_takes_the_transitions_of_the_table_and_no_others(before: FlowState, after: FlowState) -> None:
    flow = flow_in(before)
    move = {FlowState.RUNNING: flow.resume, FlowState.PAUSED: flow.pause, FlowState.RECOVERING: flow.reset}[after]
    if after in FLOW_TRANSITIONS[before]:
        move()
        assert flow.state is after
    else:
        with pytest.raises(Terminal, match=f"The lander cannot become {after.value}"):
            move()
        assert flow.state is before


def test_recoveries_wait_longer_with_each_failure_until_a_batch_lands() -> None:
    now = [0.0]
    flow = Flow(lambda: now[0])
    assert not flow.is_recovery_due
    waited: list[float] = []
    for retry in range(len(BACKOFF_SECONDS) + 1):
        flow.wait() if retry else flow.reset()
        started = now[0]
        while not flow.is_recovery_due:
            now[0] = round(now[0] + 0.1, 1)
        waited.append(round(now[0] - started, 1))
    assert waited == [*BACKOFF_SECONDS, BACKOFF_SECONDS[-1]]
    assert flow.generation == 1
    flow.resume()
    flow.landed()
    flow.reset()
    assert (flow.is_recovery_due, flow.generation) == (True, 2)
