"""Step 1 of the lander skips unreadable batches, without neglecting other partitions or exceeding its memory."""

import time
from collections import deque
from typing import Any
from uuid import uuid4

from confluent_kafka import KafkaError, Message

from headrace.contracts.topic import TopicAndPartition
from headrace.contracts.topics import TOPICS
from headrace.streaming.landing.batch import Buffer
from headrace.streaming.landing.intake import Intake
from headrace.streaming.landing.states import Flow, Partitions
from headrace.streaming.runtime.careful.reader import Stretch
from tests.unit.landing.test_batch import message


class Passing:
    """Returns these stretches for any partition."""

    def __init__(self, *stretches: Stretch) -> None:
        self._stretches = stretches

    def next_batch(self, _key: Any, _position: int) -> Stretch:
        return self._stretches[0]

    def stretches(self, _key: Any, _position: int) -> Any:
        return iter(self._stretches)


class Lander(Intake):
    """Writes nothing by itself: `_flush_everything` is what empties `_pending`."""

    def __init__(self, *stretches: Stretch, writes: bool = True) -> None:
        self._log: Any = type("Log", (), {"warning": lambda *_, **__: None})()
        self._fatal: Any = type("Fatal", (), {"noticed": lambda *_: None, "check": lambda *_: None})()
        self._passing: Any = Passing(*stretches)
        self._consumer: Any = type("Consumer", (), {"seek": lambda *_: None, "resume": lambda *_: None})()
        self._buffers = {"orders": Buffer(TOPICS["orders"])}
        self._pending = deque()
        self._partitions, self._flow, self._writes = Partitions(), Flow(time.monotonic), writes
        self._partitions.assign([("orders", 0), ("orders", 1)])
        self.resets: list[str] = []
        self.most_pending = 0

    def take(self, *messages: Message, epochs: dict[TopicAndPartition, int]) -> None:
        self._partitions.read({("orders", 0): 0, ("orders", 1): 0})
        self._partitions.epochs = epochs
        self._take(list(messages))

    def take_carefully(self) -> int | None:
        self._partitions.set_careful({("orders", 0): 0})
        self._take_carefully(("orders", 0), 0)
        return self._partitions.reading.get(("orders", 0))

    def _reset(self, reason: str, detail: str = "") -> None:
        self._flow.reset()
        self.resets.append(reason)
        self._partitions.reset()
        self._pending.clear()

    def _connected(self) -> Any:
        raise AssertionError

    def _flush_due(self) -> None:
        self._pending.append(self._buffers["orders"].take(uuid4(), 0))
        self.most_pending = max(self.most_pending, len(self._pending))

    def _flush_everything(self, timeout: float) -> None:
        if self._writes:
            self._pending.clear()

    def _submit_pending(self, timeout: float) -> None: ...

    def _take_outcomes(self) -> None: ...


def failure(partition: int) -> Message:
    """What a consumer returns for a batch that it cannot decompress."""
    return Message(topic="orders", partition=partition, offset=0, error=KafkaError(KafkaError._BAD_COMPRESSION))


def test_going_back_for_one_unreadable_batch_ends_the_pass_over_others() -> None:
    lander = Lander(Stretch(1, 10, [message(0, 0), message(1, 0)], None))
    # The records are of a later leader than these: back to the stored positions.
    lander.take(failure(0), failure(1), epochs={("orders", 0): 1, ("orders", 1): 1})
    assert lander.resets == ["leader changed"]


def stretches(count: int) -> list[Stretch]:
    return [Stretch(offset + 1, 10, [message(0, offset)], None) for offset in range(count)]


def test_reading_carefully_waits_for_the_writer_instead_of_filling_memory() -> None:
    lander = Lander(*stretches(20))
    assert lander.take_carefully() == 20
    assert (lander.most_pending, lander.resets) == (1, [])


def test_a_writer_that_does_not_catch_up_ends_careful_reading() -> None:
    lander = Lander(*stretches(20), writes=False)
    assert lander.take_carefully() is None
    assert (lander.most_pending, lander.resets) == (1, ["writer is behind"])
