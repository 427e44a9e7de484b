"""What becomes of one input: accepted, rejected or ignored. Exactly one of them, so that the counts always add up."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import overload

from msgspec import Struct

from contracts.types import Event

EMPTY_LINE = "empty line"
"""Why a line is ignored that holds nothing."""


class Accepted(Struct, frozen=True, gc=False):
    """An event for `topic`, with the raw input that it came from.

    `sound` says that the source has already made sure of everything the strict decoder checks, but for the length.
    """

    topic: str
    key: bytes
    event: Event
    raw: bytes
    position: int
    sound: bool = False


class Encoded(Struct, frozen=True, gc=False):
    """A sound event for `topic` as it goes on the wire, no longer than allowed, from a source that writes it itself."""

    topic: str
    key: bytes
    value: bytes


class Rejected(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """Input that should have been an event of `topic` and is none. `size` is given where `raw` is cut."""

    topic: str
    reason: str
    raw: bytes
    position: int
    key: bytes | None = None
    size: int | None = None


class Ignored(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """Input that is well formed, or empty, and none of our business."""

    reason: str


Outcome = Accepted | Rejected | Ignored
Deliverable = Outcome | Encoded
Sendable = Encoded | Rejected | Ignored


class EncodedRun(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """What `Encoded` is, for events that follow each other: key and value of each. It goes from process to process."""

    topic: str
    keys: list[bytes]
    values: list[bytes]


Part = EncodedRun | Rejected | Ignored


def parts_of(outcomes: Iterable[Sendable]) -> list[Part]:
    """The same outcomes, with those in runs that are encoded."""
    parts: list[Part] = []
    run = None
    for outcome in outcomes:
        if isinstance(outcome, Encoded):
            if run is None or run.topic != outcome.topic:
                run = EncodedRun(outcome.topic, [], [])
                parts.append(run)
            run.keys.append(outcome.key)
            run.values.append(outcome.value)
        else:
            parts.append(outcome)
            run = None
    return parts


class InRuns(Sequence[Deliverable]):
    """Outcomes that are kept in parts: an object for each takes longer to make than its record to send."""

    @abstractmethod
    def parts(self) -> Sequence[Part]:
        """The outcomes in order. This may take its time, and may be asked again.

        Raises:
            Terminal: they cannot be had.
        """

    def __iter__(self) -> Iterator[Deliverable]:
        for part in self.parts():
            if isinstance(part, EncodedRun):
                yield from map(Encoded, repeat(part.topic), part.keys, part.values)
            else:
                yield part

    @overload
    def __getitem__(self, index: int) -> Deliverable: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Deliverable]: ...
    def __getitem__(self, index: int | slice) -> Deliverable | Sequence[Deliverable]:
        return list(self)[index]


@dataclass
class Counts:
    """How many inputs became what. `by_topic` counts the accepted ones."""

    accepted: int = 0
    rejected: int = 0
    ignored: int = 0
    by_topic: Counter[str] = field(default_factory=Counter[str])
    rejected_reasons: Counter[str] = field(default_factory=Counter[str])
    ignored_reasons: Counter[str] = field(default_factory=Counter[str])

    @property
    def input(self) -> int:
        return self.accepted + self.rejected + self.ignored

    def accept(self, topic: str, number: int = 1) -> None:
        """Count events of `topic`."""
        self.accepted += number
        self.by_topic[topic] += number

    def add(self, more: "Counts") -> None:
        """Count what `more` has counted, too."""
        self.accepted += more.accepted
        self.rejected += more.rejected
        self.ignored += more.ignored
        self.by_topic += more.by_topic
        self.rejected_reasons += more.rejected_reasons
        self.ignored_reasons += more.ignored_reasons

    def as_json(self) -> dict[str, int]:
        """The four numbers that `--json` prints."""
        return {"input": self.input, "accepted": self.accepted, "rejected": self.rejected, "ignored": self.ignored}
