"""How transactions end: committed, aborted, or with the process, when nobody knows."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from contracts.errors import Terminal, Transient
from contracts.settings import Settings
from streaming.processors.order_extractor import OrderExtractor
from streaming.runtime import clients
from streaming.runtime.processing.batch import Refused, Share
from streaming.runtime.processing.committing import Aborted, Committer, Part
from streaming.runtime.processing.store import LEDGER_KEY
from streaming.runtime.watchdog import EXIT_CODE


class Sent:
    """A record, as a delivery report and as an input."""

    def __init__(self, offset: int = 41, value: bytes = b"bad") -> None:
        self._offset, self._value = offset, value

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return b"k"

    def value(self) -> bytes:
        return self._value

    def headers(self) -> list[tuple[str, bytes]]:
        return [("own", b"1")]


class Scripted:
    """A producer that notes its calls, and fails in the one named."""

    def __init__(self, failing: str = "", error: KafkaError | None = None, unreported: int = 0) -> None:
        self.calls: list[str] = []
        self.records: list[tuple[str, bytes | None, bytes | None]] = []
        self._failing, self._error, self._unreported = failing, error, unreported
        self._reports: list[Callable[[], None]] = []

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int = -1,
        **more: Any,
    ) -> None:
        self.records.append((topic, key, value))
        if report := more.get("on_delivery"):
            self._reports.append(lambda: report(None, Sent()))

    def flush(self, timeout: float) -> int:
        self._call("flush")
        for report in self._reports:
            report()
        return self._unreported

    def begin_transaction(self) -> None:
        self._call("begin_transaction")

    def send_offsets_to_transaction(self, offsets: Any, group: Any, timeout: float) -> None:
        self._call("send_offsets_to_transaction")

    def commit_transaction(self, timeout: float) -> None:
        self._call("commit_transaction")

    def abort_transaction(self, timeout: float) -> None:
        self._call("abort_transaction")

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self._failing and self._error is not None:
            raise KafkaException(self._error)


def commit(monkeypatch: pytest.MonkeyPatch, producer: Scripted) -> dict[tuple[str, int], int]:
    monkeypatch.setattr(clients, "producer", lambda *_, **__: producer)
    share = Share(9, 2, {b"s": b"1", b"gone": None}, [(b"C", b"{}")], refused=[Refused(0, "malformed JSON", "why")])
    part = Part([cast("Any", Sent(7))], share, b"the ledger")
    return Committer(Settings(), OrderExtractor(), "test").commit({("web_logs", 3): part}, None)


CALLS = ["begin_transaction", "flush", "send_offsets_to_transaction", "commit_transaction"]
CHANGELOG = "headrace.order-extractor.web_logs.state"


def test_all_of_a_batch_is_in_one_transaction_and_the_ledger_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Scripted()
    assert commit(monkeypatch, producer) == {("web_logs", 3): 42}
    assert producer.calls == CALLS
    assert producer.records == [
        ("orders", b"C", b"{}"),
        ("web_logs.dlq", b"k", b"bad"),
        (CHANGELOG, b"s", b"1"),
        (CHANGELOG, b"gone", None),
        (CHANGELOG, LEDGER_KEY, b"the ledger"),
    ]


@pytest.mark.parametrize("failing", CALLS[2:])
def test_what_can_be_aborted_is_aborted(monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    error = KafkaError(KafkaError.ILLEGAL_GENERATION, "left behind", txn_requires_abort=True)
    producer = Scripted(failing, error)
    with pytest.raises(Aborted):
        commit(monkeypatch, producer)
    assert producer.calls[-2:] == [failing, "abort_transaction"]


@pytest.mark.parametrize("failing", CALLS)
@pytest.mark.parametrize("kind", ["fatal", "retriable"])
def test_an_outcome_that_nobody_knows_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, failing: str, kind: str
) -> None:
    error = KafkaError(KafkaError._TIMED_OUT, "?", fatal=kind == "fatal", retriable=kind == "retriable")
    producer = Scripted(failing, error)
    with pytest.raises(Terminal, match="supervisor starts it again"):
        commit(monkeypatch, producer)
    assert producer.calls[-1] == failing, "the producer was used again"


@pytest.mark.parametrize("producer", [Scripted(unreported=3)], ids=["not acknowledged in time"])
def test_what_the_broker_did_not_take_ends_the_process(monkeypatch: pytest.MonkeyPatch, producer: Scripted) -> None:
    with pytest.raises(Transient):
        commit(monkeypatch, producer)
    assert "commit_transaction" not in producer.calls


@pytest.mark.parametrize(
    ("under_it", "after_it", "code"), [("time.sleep(60)", "pass", EXIT_CODE), ("pass", "time.sleep(1.5)", 0)]
)
def test_a_transaction_that_does_not_end_ends_the_process(under_it: str, after_it: str, code: int) -> None:
    program = (
        f"import time; from streaming.runtime.watchdog import Watchdog\nwith Watchdog(0.2): {under_it}\n{after_it}"
    )
    run = subprocess.run([sys.executable, "-c", program], timeout=30, check=False, capture_output=True)
    assert run.returncode == code
