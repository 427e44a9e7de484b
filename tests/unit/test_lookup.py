"""The offset at which a log diverges, found by bisection over records read again."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from confluent_kafka import Message

from headrace.contracts.settings import Settings
from headrace.contracts.topic import TopicAndPartition
from headrace.streaming.runtime import lookup
from headrace.streaming.runtime.careful.reader import Stretch, Unreadable
from tests.careful_readers import FakeReader

KEY: TopicAndPartition = ("orders", 0)


def first_newer(monkeypatch: pytest.MonkeyPatch, log: Mapping[int, int], epoch: int, low: int, high: int) -> int:
    """`log`: the leader epoch of the record at each offset."""

    def first_records(_settings: Settings, _consumer: Any, asked: Mapping[Any, int]) -> dict[Any, Message | None]:
        at = min((offset for offset in log if offset >= asked[KEY]), default=None)
        return {KEY: None if at is None else Message(topic="orders", partition=0, offset=at, leader_epoch=log[at])}

    monkeypatch.setattr(lookup, "first_records", first_records)
    consumer: Any = None
    return lookup.first_newer(Settings(), consumer, KEY, epoch, low, high)


@pytest.mark.parametrize(("newer_from", "found"), [(0, 0), (3, 3), (9, 9)])
def test_the_first_record_of_a_later_leader_is_found(
    monkeypatch: pytest.MonkeyPatch, newer_from: int, found: int
) -> None:
    log = {offset: 1 + (offset >= newer_from) for offset in range(20)}
    assert first_newer(monkeypatch, log, 1, 0, 9) == found


def test_reading_never_resumes_past_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert first_newer(monkeypatch, {100: 1, 101: 1}, 1, 0, 95) == 95


def test_after_an_end_for_memory_the_client_reads_nothing_and_one_batch_is_inflated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inflated: list[int] = []

    class Reader(FakeReader):
        def read(self, topic: str, partition: int, start: int) -> Iterator[Stretch]:
            for offset in range(start, 9):
                inflated.append(offset)
                yield Stretch(offset + 1, 1, [Message(topic=topic, partition=partition, offset=offset)], None)

    monkeypatch.setattr(lookup, "CarefulReader", Reader)
    consumer: Any = None
    found = lookup.first_records(Settings(), consumer, {KEY: 4, ("orders", 1): 9}, carefully=True)
    assert {key: message.offset() if isinstance(message, Message) else message for key, message in found.items()} == {
        KEY: 4,
        ("orders", 1): None,
    }
    assert inflated == [4]


@pytest.mark.parametrize(("epoch_now", "lost"), [(3, set[Any]()), (4, {KEY})])
def test_a_batch_that_is_unreadable_now_is_compared_by_its_leader_epoch(
    monkeypatch: pytest.MonkeyPatch, epoch_now: int, lost: set[Any]
) -> None:
    class Reader(FakeReader):
        def read(self, topic: str, partition: int, start: int) -> Iterator[Stretch]:
            batch = Unreadable(topic, partition, start, start + 1, 1, "too large", b"x", epoch_now)
            yield Stretch(start + 1, 1, [], batch)

    monkeypatch.setattr(lookup, "CarefulReader", Reader)
    consumer: Any = None
    places: dict[TopicAndPartition, lookup.Place] = {KEY: lookup.Place(5, b"print", 3)}
    bounds: dict[TopicAndPartition, tuple[int, int]] = {KEY: (0, 9)}
    assert lookup.lost_before(Settings(), consumer, places, bounds, lambda *_: b"", carefully=True) == lost
