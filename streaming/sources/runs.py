"""Outcomes in runs, for sources that are parsed in other processes: fewer objects cross, and fewer are made.

An object for each outcome takes longer to make than its record to send (`make bench-sources`). Sources that are parsed
where they are sent yield plain outcomes (`streaming.sources.outcomes`).
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import overload

from msgspec import Struct

from streaming.sources.outcomes import Deliverable, Encoded, Ignored, Rejected, Sendable


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
