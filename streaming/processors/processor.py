"""What a processor is: a pure function of a batch of records and a state view. No Kafka, no clock, no disk.

The runtime (`streaming.runtime`) reads, decodes, keeps state, produces and commits, all of a batch in one transaction.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, NamedTuple, Protocol

from contracts.types import Event


class Record(NamedTuple):
    """One decoded record of an input partition. `arrived_ms` is when the broker took it, in milliseconds since 1970."""

    event: Event
    key: bytes | None
    offset: int
    arrived_ms: int | None = None


class State(Protocol):
    """The keyed state of one input partition. Reads see this batch's own writes; nothing is kept if it is aborted."""

    def get(self, key: bytes) -> bytes | None: ...

    def put(self, key: bytes, value: bytes) -> None: ...

    def delete(self, key: bytes) -> None: ...

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Entries with `start <= key < end` in the order of their keys, as they are when the call is made."""
        ...


class Output(NamedTuple):
    """A record to produce to the processor's output topic. A `value` of None is a tombstone."""

    key: bytes
    value: Event | None


@dataclass
class Result:
    """What a batch came to. Every input is accounted for: it is `used`, or dropped for a reason.

    `used` counts the inputs that went into an output or into state; `drops` those that did not, by reason; `notes`
    counts things that happened beside the inputs, such as a cart that was abandoned.
    """

    outputs: list[Output] = field(default_factory=list[Output])
    used: int = 0
    drops: Counter[str] = field(default_factory=Counter[str])
    notes: Counter[str] = field(default_factory=Counter[str])


class Processor(Protocol):
    """Turns records of its input topics into records of its output topic.

    `process` gets records of one partition of one input topic, in the order of their offsets, with that partition's
    state; partitions share nothing. What comes out may not depend on how the records were cut into batches: timers run
    on event time, which the processor keeps in its state. `now` is for stamps such as `scored_at` alone.

    One that uses `Record.arrived_ms` has a class variable `by_arrival` that is true; for others it is None.

    `state_version` is raised when the form of the state changes: the runtime goes on from no other.
    """

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    output: ClassVar[str]
    state_version: ClassVar[int]

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result: ...
