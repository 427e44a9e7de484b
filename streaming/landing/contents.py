"""Whether a topic still holds what landed: compares the fingerprints of committed ranges with those of its records.

Also maps offsets to the logs of a partition, if the broker has lost the end of one or more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

import numpy as np
from confluent_kafka import Message

from headrace.contracts.reconciliation import CommittedRange
from headrace.contracts.topic import Topic, TopicAndPartition
from headrace.contracts.topics import TOPICS
from headrace.streaming.landing import fingerprints, positions
from headrace.streaming.landing.fingerprints import Fingerprint
from headrace.streaming.landing.truncations import Truncation


@dataclass(frozen=True)
class Log:
    """One log of a partition. It begins at `start`; the topic holds it up to `end`, or completely (None).

    `position` is the offset after the last one that landed.
    """

    log_id: UUID
    start: int
    end: int | None
    position: int


def logs_of(position: positions.Position, truncations: Iterable[Truncation]) -> list[Log]:
    """The logs of a partition, in the order of their start. `truncations` may include other partitions."""
    lost = [each for each in truncations if each.partition == position.partition]
    starts = [position.start_offset, *(each.from_offset for each in lost)]
    logs = [
        Log(each.log_id, start, min(later.from_offset for later in lost[place:]), each.to_offset)
        for place, (each, start) in enumerate(zip(lost, starts, strict=False))
    ]
    return [*logs, Log(position.log_id, starts[-1], None, position.next_offset)]


class Comparison:
    """Compares committed ranges of one partition with its records, passed in the order of their offsets."""

    def __init__(self, topic: Topic, links: Sequence[CommittedRange]) -> None:
        self._topic = topic
        self._links = sorted((link for link in links if link.fingerprint is not None), key=lambda link: link.first)
        self._firsts = np.array([link.first for link in self._links], dtype=np.int64)
        self._states: dict[int, tuple[Fingerprint, int]] = {}

    def add(self, messages: Sequence[Message], offsets: np.ndarray) -> None:
        """Add records with these offsets."""
        if not self._links:
            return
        places = np.searchsorted(self._firsts, offsets, side="right") - 1
        begin = 0
        for place, run in groupby(places.tolist()):
            end = begin + sum(1 for _ in run)
            taken = [m for m in messages[begin:end] if place >= 0 and (m.offset() or 0) < self._links[place].next]
            begin = end
            if taken:
                state, count = self._states.get(place, (Fingerprint(), 0))
                self._states[place] = (fingerprints.of_messages(self._topic, taken, state), count + len(taken))

    def altered(self) -> tuple[tuple[int, int], ...]:
        """The ranges that hold as many records as were committed, but different ones."""
        return tuple(
            (link.first, link.next)
            for link, (state, count) in self._compared()
            if count == link.rows + link.quarantined and state.digest() != link.fingerprint
        )

    def _compared(self) -> Iterator[tuple[CommittedRange, tuple[Fingerprint, int]]]:
        return ((self._links[place], state) for place, state in sorted(self._states.items()))


def comparisons(
    logs: Mapping[TopicAndPartition, Sequence[Log]], chains: Mapping[positions.Log, Sequence[CommittedRange]]
) -> dict[TopicAndPartition, Comparison]:
    """A comparison for each partition, with the ranges that its logs still hold."""
    return {
        (topic, partition): Comparison(
            TOPICS[topic],
            [
                link
                for log in of_partition
                for link in chains.get((log.log_id, partition), ())
                if log.end is None or link.next <= log.end
            ],
        )
        for (topic, partition), of_partition in logs.items()
    }
