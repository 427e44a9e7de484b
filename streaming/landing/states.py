"""The states of a lander: what it does with each partition (`Partitions`), and whether it reads at all (`Flow`).

Each has a table of transitions; any other transition raises `Terminal`. Nothing here knows Kafka or PostgreSQL: the
lander acts, and records here what it did.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID

from headrace.contracts.errors import Terminal
from headrace.contracts.topic import TopicAndPartition

BACKOFF_SECONDS = (0.0, 0.1, 0.5, 1.0, 2.0)
"""How long a recovery waits, by the number of failures since the last commit."""
RESTART = "The supervisor restarts the lander from the stored positions. Please report this as a fault."


class State(Enum):
    """What a lander does with a partition of its own."""

    ASSIGNED = "assigned"
    """Paused, until a recovery finds its position."""
    CAREFUL = "careful"
    """Paused at a position, from where the careful reader reads first."""
    JOINING = "joining"
    """The client fetches it, but the current `consume` call may still return records from before the assignment."""
    READING = "reading"
    """Records at or past its position are taken."""
    STOPPED = "stopped"
    """Paused, until an operator accepts the gap."""


PARTITION_TRANSITIONS: Mapping[State | None, frozenset[State]] = {
    None: frozenset({State.ASSIGNED}),
    State.ASSIGNED: frozenset({State.CAREFUL, State.JOINING, State.READING, State.STOPPED}),
    State.CAREFUL: frozenset({State.READING, State.ASSIGNED}),
    State.JOINING: frozenset({State.READING, State.ASSIGNED}),
    State.READING: frozenset({State.ASSIGNED}),
    State.STOPPED: frozenset({State.READING}),
}
"""The states that may follow each state. None is a partition of another lander; any partition may be revoked."""


class FlowState(Enum):
    """Whether the lander reads."""

    RUNNING = "running"
    PAUSED = "paused"
    """The writer's queue is full, so all partitions are paused."""
    RECOVERING = "recovering"
    """Everything in memory was dropped, and all partitions are paused until reading resumes from stored positions."""


FLOW_TRANSITIONS: Mapping[FlowState, frozenset[FlowState]] = {
    FlowState.RUNNING: frozenset({FlowState.PAUSED, FlowState.RECOVERING}),
    FlowState.PAUSED: frozenset({FlowState.RUNNING, FlowState.RECOVERING}),
    FlowState.RECOVERING: frozenset({FlowState.RUNNING, FlowState.RECOVERING}),
}
"""The states that may follow each state."""


@dataclass(frozen=True)
class ResumePoints:
    """`positions` of the partitions to resume, `stopped` with the reason for the others, and the ids of their topics.

    `log_ids` is for the partitions to resume. `epochs` has the leader epochs for which the positions are valid: a
    record with a later epoch may have replaced a landed one.
    """

    positions: dict[TopicAndPartition, int]
    stopped: dict[TopicAndPartition, str]
    topic_ids: dict[str, UUID]
    log_ids: dict[TopicAndPartition, UUID] = field(default_factory=dict[TopicAndPartition, UUID])
    epochs: dict[TopicAndPartition, int] = field(default_factory=dict[TopicAndPartition, int])


class Partitions:
    """The partitions assigned to a lander. Every method raises `Terminal` for a transition that is not in the table.

    `reading` has the next offset to take of each partition that is read. Buffers advance it in place, record by record;
    only its keys change with the state. `topic_ids`, `log_ids` and `epochs` are those of `ResumePoints`.
    """

    def __init__(self) -> None:
        self.reading: dict[TopicAndPartition, int] = {}
        self.topic_ids: dict[str, UUID] = {}
        self.log_ids: dict[TopicAndPartition, UUID] = {}
        self.epochs: dict[TopicAndPartition, int] = {}
        self._states: dict[TopicAndPartition, State] = {}
        self._waiting: dict[TopicAndPartition, int] = {}
        """The position of each partition that is joining or to be read carefully."""

    def state(self, key: TopicAndPartition) -> State | None:
        """The state of a partition; None for one of another lander."""
        return self._states.get(key)

    @property
    def assigned(self) -> list[TopicAndPartition]:
        """All partitions, in any state."""
        return list(self._states)

    @property
    def joining(self) -> dict[TopicAndPartition, int]:
        """The partitions that join, with their positions."""
        return self._in(State.JOINING)

    @property
    def careful(self) -> dict[TopicAndPartition, int]:
        """The partitions that are to be read carefully, with their positions."""
        return self._in(State.CAREFUL)

    @property
    def stopped(self) -> set[TopicAndPartition]:
        """The stopped partitions."""
        return {key for key, state in self._states.items() if state is State.STOPPED}

    def _in(self, state: State) -> dict[TopicAndPartition, int]:
        return {key: at for key, at in self._waiting.items() if self._states[key] is state}

    def assign(self, keys: Iterable[TopicAndPartition]) -> None:
        """New partitions, whose positions are not known yet."""
        for key in keys:
            self._move(key, State.ASSIGNED)

    def learn(self, points: ResumePoints) -> list[TopicAndPartition]:
        """Take over the ids and epochs, and stop partitions that cannot resume; returns those that were not stopped."""
        self.topic_ids |= points.topic_ids
        self.log_ids |= points.log_ids
        self.epochs |= points.epochs
        newly = sorted(points.stopped.keys() - self.stopped)
        for key in newly:
            self._move(key, State.STOPPED)
        return newly

    def join(self, positions: Mapping[TopicAndPartition, int]) -> None:
        """The client begins to fetch them."""
        self._wait(State.JOINING, positions)

    def set_careful(self, positions: Mapping[TopicAndPartition, int]) -> None:
        """The careful reader is to read them first."""
        self._wait(State.CAREFUL, positions)

    def read(self, positions: Mapping[TopicAndPartition, int]) -> None:
        """Take records from these positions on."""
        for key, position in positions.items():
            self._move(key, State.READING)
            self.reading[key] = position

    def reset(self) -> None:
        """No partition has a position any more. Stopped ones stay stopped."""
        for key in self._states.keys() - self.stopped:
            if self._states[key] is not State.ASSIGNED:
                self._move(key, State.ASSIGNED)

    def revoke(self, keys: Iterable[TopicAndPartition]) -> None:
        """They go to another lander, from whichever state."""
        for key in keys:
            self._states.pop(key, None)
            self._waiting.pop(key, None)
            self.reading.pop(key, None)

    def _wait(self, state: State, positions: Mapping[TopicAndPartition, int]) -> None:
        for key, position in positions.items():
            self._move(key, state)
            self._waiting[key] = position

    def _move(self, key: TopicAndPartition, state: State) -> None:
        before = self._states.get(key)
        if state not in PARTITION_TRANSITIONS[before]:
            raise _impossible(f"{key[0]}-{key[1]}", before, state)
        self._states[key] = state
        self._waiting.pop(key, None)
        self.reading.pop(key, None)


class Flow:
    """Whether the lander reads, and the generation of what it has in memory: batches of earlier ones are dropped.

    Every method raises `Terminal` for a transition that is not in the table.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.state = FlowState.RUNNING
        self.generation = 0
        self._clock = clock
        self._failures = 0
        self._recover_at = 0.0

    @property
    def is_recovery_due(self) -> bool:
        return self.state is FlowState.RECOVERING and self._clock() >= self._recover_at

    def pause(self) -> None:
        """The writer's queue is full."""
        self._move(FlowState.PAUSED)

    def resume(self) -> None:
        """The writer has room again, or a recovery is complete."""
        self._move(FlowState.RUNNING)

    def reset(self) -> None:
        """Everything in memory is dropped."""
        self.generation += 1
        self.wait()

    def wait(self) -> None:
        """Recover after a pause, which is longer with each failure."""
        self._move(FlowState.RECOVERING)
        self._recover_at = self._clock() + BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS) - 1)]
        self._failures += 1

    def landed(self) -> None:
        """A batch was committed: the next recovery does not wait."""
        self._failures = 0

    def _move(self, state: FlowState) -> None:
        if state not in FLOW_TRANSITIONS[self.state]:
            raise _impossible("The lander", self.state, state)
        self.state = state


def _impossible(subject: str, before: Enum | None, after: Enum) -> Terminal:
    now = before.value if before else "not assigned"
    return Terminal(f"{subject} cannot become {after.value}: its state is {now}.", remedy=RESTART)
