"""Outcomes in runs, for sources that are parsed in other processes, so that fewer objects are created and transferred.

Creating an object for each outcome takes longer than sending its record (`make bench-sources`). Sources that are parsed
in the sending process yield plain outcomes (`headrace.streaming.sources.outcomes`).
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import overload

from msgspec import Struct

from headrace.streaming.sources.outcomes import Deliverable, Encoded, Ignored, Rejected, Sendable


class EncodedRun(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """Consecutive events as `Encoded` has them: the key and value of each. Passed between processes."""

    topic: str
    keys: list[bytes]
    values: list[bytes]


Part = EncodedRun | Rejected | Ignored


def parts_of(outcomes: Iterable[Sendable]) -> list[Part]:
    """Outcomes, with encoded ones in runs."""
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
    """Outcomes that are stored in parts, since creating an object for each takes longer than sending its record."""

    @abstractmethod
    def parts(self) -> Sequence[Part]:
        """The outcomes in order. It may wait, and may be called again.

        Raises:
            Terminal: they are not available.
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
