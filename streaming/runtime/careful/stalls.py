"""Finds partitions at which the client stands still without an error, although the log continues.

For a batch whose last record is cut off, librdkafka takes the fetch as incomplete and repeats it forever. The careful
reader then reads or sets apart that batch.
"""

import time
from collections.abc import Callable, Mapping

from confluent_kafka import Consumer, TopicPartition

from headrace.contracts.topic import TopicAndPartition

STALL_SECONDS = 5.0
"""How long a partition must stand still. If it was only slow, reading one batch carefully is harmless."""
LOOK_SECONDS = 2.0


class Stalls:
    """The progress of a consumer's partitions. The consumer must have `enable.partition.eof`, for `at_end`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._look_at = 0.0
        self._ends: dict[TopicAndPartition, int] = {}
        self._seen: dict[TopicAndPartition, tuple[int, float]] = {}

    @property
    def is_due(self) -> bool:
        """Whether it is time to look."""
        return self._clock() >= self._look_at

    def at_end(self, key: TopicAndPartition, offset: int) -> None:
        """The client reported the end of committed data. Only transaction markers may precede it."""
        self._ends[key] = offset

    def look(self, consumer: Consumer, positions: Mapping[TopicAndPartition, int]) -> set[TopicAndPartition]:
        """The partitions that stand still, by the next offset to take of each."""
        now = self._clock()
        self._look_at = now + LOOK_SECONDS
        found: set[TopicAndPartition] = set()
        for key, position in positions.items():
            reached = max(position, self._ends.get(key, 0))
            before, since = self._seen.get(key, (None, now))
            if reached == before and now - since >= STALL_SECONDS:
                _, high = consumer.get_watermark_offsets(TopicPartition(*key), cached=True)
                if high > reached:
                    found.add(key)
            if reached != before or key in found:
                self._seen[key] = (reached, now)
        return found
