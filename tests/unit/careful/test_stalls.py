"""Partitions at which the client stands still without an error."""

from typing import Any

from confluent_kafka import TopicPartition

from headrace.contracts.topic import TopicAndPartition
from headrace.streaming.runtime.careful.stalls import STALL_SECONDS, Stalls

KEY: TopicAndPartition = ("orders", 0)


class FakeConsumer:
    """A log that ends at `high`."""

    def __init__(self, high: int) -> None:
        self.high = high

    def get_watermark_offsets(self, _place: TopicPartition, *, cached: bool) -> tuple[int, int]:
        assert cached
        return 0, self.high


def looks(high: int, positions: list[int], end: int | None = None) -> list[bool]:
    """Whether the partition stands still, at looks of which each is as late as a stall takes."""
    now, consumer = 0.0, FakeConsumer(high)
    client: Any = consumer
    stalls = Stalls(lambda: now)
    if end is not None:
        stalls.at_end(KEY, end)
    found: list[bool] = []
    for position in positions:
        found.append(stalls.look(client, {KEY: position}) == {KEY})
        now += STALL_SECONDS
    return found


def test_a_partition_that_stands_still_before_its_end_is_found_each_time() -> None:
    assert looks(9, [5, 5, 5]) == [False, True, True]


def test_a_partition_that_advances_or_is_read_to_its_end_is_not_found() -> None:
    assert looks(9, [5, 6, 7]) == [False, False, False]
    assert looks(9, [9, 9, 9]) == [False, False, False]


def test_only_transaction_markers_before_the_end_are_no_stall() -> None:
    assert looks(9, [7, 7, 7], end=9) == [False, False, False]
