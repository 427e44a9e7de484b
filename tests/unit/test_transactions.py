"""The transactional producer: each record once, in order, where it belongs; and how a command's transaction ends."""

import pytest
from confluent_kafka import KafkaError

from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.transactions import ANY_PARTITION, Transactions
from tests.unit.scripted_producer import Scripted


@pytest.mark.parametrize("partition", [ANY_PARTITION, 3])
def test_a_full_queue_neither_loses_nor_repeats_a_record(monkeypatch: pytest.MonkeyPatch, partition: int) -> None:
    producer = Scripted(holds=4)
    monkeypatch.setattr(clients, "producer", lambda *_, **__: producer)
    records = [(b"%d" % number, b"v%d" % number) for number in range(11)]
    Transactions(Settings(), "test").send_all("orders", iter(records), partition)
    assert producer.records == [("orders", key, value, partition) for key, value in records]


def begun(monkeypatch: pytest.MonkeyPatch, producer: Scripted) -> Transactions:
    monkeypatch.setattr(clients, "producer", lambda *_, **__: producer)
    transactions = Transactions(Settings(), "test")
    transactions.start()
    return transactions


def test_a_command_commits_its_transaction_at_the_end_of_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Scripted()
    transactions = begun(monkeypatch, producer)
    for _ in range(2):
        with transactions.transaction():
            transactions.send("orders", b"v", b"k")
    assert producer.calls == ["init_transactions", *["begin_transaction", "commit_transaction"] * 2]


def test_a_command_that_fails_leaves_no_transaction_open(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Scripted()
    transactions = begun(monkeypatch, producer)
    with pytest.raises(LookupError), transactions.transaction():
        raise LookupError
    assert producer.calls == ["init_transactions", "begin_transaction", "abort_transaction"]


@pytest.mark.parametrize(("requires_abort", "ended"), [(True, ["abort_transaction"]), (False, [])])
def test_a_command_aborts_only_a_transaction_that_kafka_failed_abortably(
    monkeypatch: pytest.MonkeyPatch, requires_abort: bool, ended: list[str]
) -> None:
    error = KafkaError(KafkaError._TIMED_OUT, "?", txn_requires_abort=requires_abort)
    producer = Scripted("commit_transaction", error)
    transactions = begun(monkeypatch, producer)
    with pytest.raises(Transient, match="did not accept a transaction"), transactions.transaction():
        pass
    assert producer.calls == ["init_transactions", "begin_transaction", "commit_transaction", *ended]


def test_a_broker_that_does_not_start_transactions_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Transient, match="did not start transactions"):
        begun(monkeypatch, Scripted("init_transactions", KafkaError(KafkaError._TIMED_OUT, "?")))
