"""Records of a transaction when the queue is full: each once, in order, where it belongs."""

import pytest

from contracts.settings import Settings
from streaming.runtime import clients
from streaming.runtime.transactions import ANY_PARTITION, Transactions
from tests.unit.scripted_producer import Scripted


@pytest.mark.parametrize("partition", [ANY_PARTITION, 3])
def test_a_full_queue_neither_loses_nor_repeats_a_record(monkeypatch: pytest.MonkeyPatch, partition: int) -> None:
    producer = Scripted(holds=4)
    monkeypatch.setattr(clients, "producer", lambda *_, **__: producer)
    records = [(b"%d" % number, b"v%d" % number) for number in range(11)]
    Transactions(Settings(), "test").send_all("orders", iter(records), partition)
    assert producer.records == [("orders", key, value, partition) for key, value in records]
