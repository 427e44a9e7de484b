"""How transactions end: committed, aborted, or, if the outcome is unknown, with the process."""

import subprocess
import sys

import pytest
from confluent_kafka import KafkaError, Message
from structlog.testing import capture_logs

from headrace.cases.ecommerce.processors.order_extractor import OrderExtractor
from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.exit_codes import ExitCode
from headrace.contracts.settings import Settings
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.processing import transaction
from headrace.streaming.runtime.processing.batch import PartitionResult, Refused
from headrace.streaming.runtime.processing.store import LEDGER_KEY
from headrace.streaming.runtime.processing.transaction import Aborted, Committer, PartitionCommit
from headrace.streaming.runtime.transactions import ANY_PARTITION
from tests.unit.scripted_producer import Scripted


def commit(monkeypatch: pytest.MonkeyPatch, producer: Scripted) -> dict[tuple[str, int], int]:
    monkeypatch.setattr(clients, "producer", lambda *_, **__: producer)
    result = PartitionResult(
        9, 2, {b"s": b"1", b"gone": None}, [(b"C", b"{}")], refused=[Refused(0, "malformed JSON", "why")]
    )
    commit = PartitionCommit(
        [Message(topic="web_logs", partition=3, offset=7, key=b"k", value=b"bad")], result, b"the ledger"
    )
    return Committer(Settings(), OrderExtractor(), "test").commit({("web_logs", 3): commit}, None)


CALLS = ["begin_transaction", "flush", "send_offsets_to_transaction", "commit_transaction"]
CHANGELOG = "headrace.order-extractor.web_logs.state"


def test_all_of_a_batch_is_in_one_transaction_and_the_ledger_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Scripted()
    assert commit(monkeypatch, producer) == {("web_logs", 3): 42}
    assert producer.calls == CALLS
    assert producer.records == [
        ("orders", b"C", b"{}", ANY_PARTITION),
        ("web_logs.dlq", b"k", b"bad", ANY_PARTITION),
        (CHANGELOG, b"s", b"1", 3),
        (CHANGELOG, b"gone", None, 3),
        (CHANGELOG, LEDGER_KEY, b"the ledger", 3),
    ]


@pytest.mark.parametrize("failing", CALLS[2:])
def test_an_abortable_transaction_is_aborted(monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    error = KafkaError(KafkaError.ILLEGAL_GENERATION, "left behind", txn_requires_abort=True)
    producer = Scripted(failing, error)
    with capture_logs() as logged, pytest.raises(Aborted):
        commit(monkeypatch, producer)
    assert producer.calls[-2:] == [failing, "abort_transaction"]
    assert [(each["event"], each["code"]) for each in logged] == [("transaction aborted", "ILLEGAL_GENERATION")]


@pytest.mark.parametrize("failing", CALLS)
@pytest.mark.parametrize("kind", ["fatal", "retriable"])
def test_an_unknown_outcome_ends_the_process(monkeypatch: pytest.MonkeyPatch, failing: str, kind: str) -> None:
    error = KafkaError(KafkaError._TIMED_OUT, "?", fatal=kind == "fatal", retriable=kind == "retriable")
    producer = Scripted(failing, error)
    with pytest.raises(Terminal, match="supervisor restarts it"):
        commit(monkeypatch, producer)
    assert producer.calls[-1] == failing, "the producer was used again"


@pytest.mark.parametrize("producer", [Scripted(unreported=3)], ids=["not acknowledged in time"])
def test_an_undelivered_record_ends_the_process(monkeypatch: pytest.MonkeyPatch, producer: Scripted) -> None:
    with pytest.raises(Transient):
        commit(monkeypatch, producer)
    assert "commit_transaction" not in producer.calls


@pytest.mark.parametrize(
    ("under_it", "after_it", "code"), [("time.sleep(60)", "pass", ExitCode.RESTART), ("pass", "time.sleep(1.5)", 0)]
)
def test_a_transaction_that_does_not_end_ends_the_process(under_it: str, after_it: str, code: int) -> None:
    program = (
        "import time; from headrace.streaming.runtime.watchdog import Watchdog\n"
        f"with Watchdog(0.2): {under_it}\n{after_it}"
    )
    run = subprocess.run([sys.executable, "-c", program], timeout=30, check=False, capture_output=True)
    assert run.returncode == code


def test_a_transaction_does_not_wait_long_for_headers_that_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [0.0], [0]

    class OddHeaders:
        def __init__(self, _settings: Settings) -> None: ...

        def of(self, *_: object) -> list[tuple[str, bytes | None]]:
            asked[0] += 1
            now[0] += transaction.HEADER_SECONDS / 2
            return [("read", b"again")]

    producer = Scripted()
    monkeypatch.setattr(clients, "producer", lambda *_, **__: producer)
    monkeypatch.setattr(transaction, "OddHeaders", OddHeaders)
    monkeypatch.setattr(transaction, "headers_of", lambda _: ([None], [0]))
    monkeypatch.setattr(transaction.time, "monotonic", lambda: now[0])
    refused = [Refused(place, "malformed JSON", "why") for place in range(5)]
    result = PartitionResult(5, 5, {}, [], refused=refused)
    messages = [Message(topic="web_logs", partition=3, offset=place, value=b"bad") for place in range(5)]
    Committer(Settings(), OrderExtractor(), "test").commit(
        {("web_logs", 3): PartitionCommit(messages, result, b"book")}, None
    )
    assert asked == [2]
    assert sum(record[0] == "web_logs.dlq" for record in producer.records) == 5
