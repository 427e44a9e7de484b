"""A batch that a live source reads becomes one transaction: every record in its partition, counted once."""

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from confluent_kafka import KafkaError

from headrace.contracts.settings import Settings
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.transactions import ANY_PARTITION
from headrace.streaming.sources.live import positions, runner
from headrace.streaming.sources.live.positions import Entry
from headrace.streaming.sources.live.source import Batch
from headrace.streaming.sources.outcomes import Encoded, Ignored, Rejected
from headrace.streaming.sources.runs import InRuns, Part, parts_of
from tests.unit.scripted_producer import Scripted

OUTCOMES = [
    Encoded("web_logs", b"a", b"1"),
    Encoded("web_logs", b"b", b"2"),
    Rejected("web_logs", "no", b"raw", 3),
    Ignored("empty line"),
    Encoded("web_logs", b"c", b"3"),
]
RECORDS = [
    ("web_logs", b"a", b"1", ANY_PARTITION),
    ("web_logs", b"b", b"2", ANY_PARTITION),
    ("web_logs.dlq", None, b"raw", ANY_PARTITION),
    ("web_logs", b"c", b"3", ANY_PARTITION),
]


class Later(InRuns):
    def parts(self) -> list[Part]:
        return parts_of(OUTCOMES)

    def __len__(self) -> int:
        return len(OUTCOMES)


class Once:
    name: ClassVar[str] = "once"
    topics: ClassVar[tuple[str, ...]] = ("web_logs",)
    stream = "only"

    def __init__(self, outcomes: Any) -> None:
        self._outcomes = outcomes

    def read(self, position: Any) -> Iterator[Batch]:
        assert position == 7
        yield Batch(self._outcomes, 12)


class Present:
    def __init__(self, settings: Settings) -> None: ...

    def check(self, topics: list[str]) -> None:
        assert topics == ["web_logs"]


@pytest.mark.parametrize("outcomes", [OUTCOMES, Later()], ids=["one by one", "in runs"])
@pytest.mark.parametrize("aborted", [0, 2])
def test_a_batch_is_committed_whole_with_its_position(
    monkeypatch: pytest.MonkeyPatch, outcomes: Any, aborted: int
) -> None:
    error = KafkaError(KafkaError.COORDINATOR_NOT_AVAILABLE, "away", txn_requires_abort=True)
    producer = Scripted("commit_transaction", error, times=aborted)
    monkeypatch.setattr(clients, "producer", lambda *_, **__: producer)
    monkeypatch.setattr(runner, "Publisher", Present)
    monkeypatch.setattr(positions, "create", lambda _: None)
    monkeypatch.setattr(positions, "read", lambda *_: {"only": Entry(7, accepted=10)})
    runner.Runner(Settings(), [Once(outcomes)], threading.Event()).run()
    position = (
        positions.NAME,
        positions.key_of("once", "only"),
        positions.encode(Entry(12, accepted=13, rejected=1, ignored=1)),
        positions.partition_of("once"),
    )
    assert producer.records == [*RECORDS, position] * (aborted + 1)
    tried = ["begin_transaction", "flush", "commit_transaction", "abort_transaction"]
    assert producer.calls == ["init_transactions", *tried * aborted, *tried[:-1]]
