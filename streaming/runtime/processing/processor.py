"""The processor interface: a pure function of a batch of records and a state view. No Kafka, no clock, no disk.

The runtime reads, decodes, keeps state, produces and commits, with one transaction per batch.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, NamedTuple, Protocol

from headrace.contracts.types import Event


class Record(NamedTuple):
    """One decoded record of an input partition. `arrived_ms` is when the broker appended it, in milliseconds since
    1970."""

    event: Event
    key: bytes | None
    offset: int
    arrived_ms: int | None = None


class State(Protocol):
    """The state of one input partition. Reads see this batch's writes; an aborted batch leaves no changes.

    Processors use it through their tables (`headrace.streaming.runtime.processing.tables`).
    """

    def get(self, key: bytes) -> bytes | None: ...

    def put(self, key: bytes, value: bytes) -> None: ...

    def put_all(self, values: dict[bytes, bytes]) -> None: ...

    def delete(self, key: bytes) -> None: ...

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Entries with `start <= key < end` in key order, as of the time of the call."""
        ...


class Output(NamedTuple):
    """A record to produce to the processor's output topic. A `value` of None is a tombstone."""

    key: bytes
    value: Event | None


@dataclass
class Result:
    """The result of a batch. Every input is accounted for: it is `used`, or dropped for a reason.

    `used` counts inputs that affected an output or the state, `drops` the others by reason, and `notes` other events,
    such as abandoned carts.
    """

    outputs: list[Output] = field(default_factory=list[Output])
    used: int = 0
    drops: Counter[str] = field(default_factory=Counter[str])
    notes: Counter[str] = field(default_factory=Counter[str])


class Processor(Protocol):
    """Turns records of its input topics into records of its output topic.

    The class attributes are its declaration: its topics, its tables (`tables.Table`) with their timers, and

    - `state_version`: increment it when the format of the state changes. The runtime does not resume from another one.
    - `by_arrival`: true if it uses `Record.arrived_ms`, which is None for others;
    - `model`: the `CurrentScorer` of the model that scores for it, which the runtime keeps at the champion.

    `process` gets records of one partition of one input topic, in the order of their offsets, with that partition's
    state; partitions share nothing. The output must not depend on how records are split into batches: timers use
    stream time (`stream_time`), which is part of the state. `now` is only for timestamps such as `scored_at`.
    """

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    output: ClassVar[str]
    state_version: ClassVar[int]

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result: ...
