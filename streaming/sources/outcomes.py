"""The outcome of one input: accepted, rejected or ignored. Exactly one of them, so that the counts always add up."""

from collections import Counter
from dataclasses import dataclass, field

from msgspec import Struct

from headrace.contracts.types import Event

EMPTY_LINE = "empty line"
"""The reason for ignoring an empty line."""


class Accepted(Struct, frozen=True, gc=False):
    """An event for `topic`, with the raw input that it came from.

    `sound`: the source has already checked everything that the strict decoder checks, except for the length.
    """

    topic: str
    key: bytes
    event: Event
    raw: bytes
    position: int
    sound: bool = False


class Encoded(Struct, frozen=True, gc=False):
    """A valid, encoded event for `topic`, within the size limit, from a source that encodes it directly."""

    topic: str
    key: bytes
    value: bytes


class Rejected(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """Input that should have been an event of `topic` and is not. `size` is given if `raw` is truncated."""

    topic: str
    reason: str
    raw: bytes
    position: int
    key: bytes | None = None
    size: int | None = None


class Ignored(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """Input that is well-formed or empty, but not relevant."""

    reason: str


Outcome = Accepted | Rejected | Ignored
Deliverable = Outcome | Encoded
"""What a source yields: an event as an object, or already encoded."""
Sendable = Encoded | Rejected | Ignored
"""The same once every event is encoded."""


@dataclass
class Counts:
    """Counts of inputs by outcome. `by_topic` counts the accepted ones."""

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
        """Add the counts of `more`."""
        self.accepted += more.accepted
        self.rejected += more.rejected
        self.ignored += more.ignored
        self.by_topic += more.by_topic
        self.rejected_reasons += more.rejected_reasons
        self.ignored_reasons += more.ignored_reasons

    def as_json(self) -> dict[str, int]:
        """The four numbers that `--json` prints."""
        return {"input": self.input, "accepted": self.accepted, "rejected": self.rejected, "ignored": self.ignored}
