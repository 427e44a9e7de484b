"""An instance that ended for lack of memory reads carefully, and stays in its group meanwhile."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka import Message

from headrace.contracts.settings import Settings
from headrace.streaming.runtime.careful.reader import Stretch
from headrace.streaming.runtime.careful.stalls import Stalls
from headrace.streaming.runtime.processing import worker
from headrace.streaming.runtime.processing.ledger import Ledger
from headrace.streaming.runtime.processing.partition_state import PartitionState
from tests.careful_readers import FakeReader

KEY = ("orders", 0)


class Reader(FakeReader):
    def read(self, topic: str, partition: int, start: int) -> Iterator[Stretch]:
        yield Stretch(start + 1, 1, [Message(topic=topic, partition=partition, offset=start, value=b"v")], None)


class Instance(worker.Worker):
    """An instance that owns one partition, and has done nothing but what gathering needs."""

    def __init__(self, when_asked: Callable[["Instance"], None] = lambda _: None) -> None:
        def consume(*_: object) -> list[Message]:
            self.asked += 1
            when_asked(self)
            return []

        self.asked = 0
        self._settings = Settings()
        self._processor: Any = SimpleNamespace(name="numbering")
        self._fatal: Any = SimpleNamespace(check=lambda: None)
        self._consumer: Any = SimpleNamespace(consume=consume, seek=lambda _: None, resume=lambda _: None)
        self._batch_records, self._stopping, self._suspicion = 10, False, None
        book, store = Ledger(UUID(int=1), 0, 0), SimpleNamespace(confirm=lambda: None, close=lambda: None)
        self._owned = {KEY: PartitionState(store, book, 0, book)}  # pyright: ignore[reportArgumentType]
        self._careful = {KEY: 100}
        self._stalls = Stalls()

    def gather(self) -> int | None:
        self._gather()
        return len(self._owned[KEY].gathered) if KEY in self._owned else None

    def lose(self) -> None:
        self._owned.clear()
        self._careful.clear()


def test_an_instance_that_reads_carefully_asks_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "CarefulReader", Reader)
    instance = Instance()
    assert (instance.gather(), instance.asked) == (1, 1)


def test_a_partition_that_is_revoked_meanwhile_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "CarefulReader", Reader)
    instance = Instance(Instance.lose)
    assert instance.gather() is None
