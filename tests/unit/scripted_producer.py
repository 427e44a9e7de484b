"""A transactional producer that does what a test says."""

from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from headrace.streaming.runtime.transactions import ANY_PARTITION


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
    """A producer that notes its calls, and fails in the one named, `times` times. Its queue holds so many records."""

    def __init__(
        self,
        failing: str = "",
        error: KafkaError | None = None,
        unreported: int = 0,
        *,
        times: int = 1_000,
        holds: int = 1_000,
    ) -> None:
        self.calls: list[str] = []
        self.records: list[tuple[str, bytes | None, bytes | None, int]] = []
        self._failing, self._error, self._unreported = failing, error, unreported
        self._reports: list[Callable[[], None]] = []
        self._times, self._holds, self._held = times, holds, 0

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int = ANY_PARTITION,
        **more: Any,
    ) -> None:
        if self._held >= self._holds:
            raise BufferError
        self._held += 1
        self.records.append((topic, key, value, partition))
        if report := more.get("on_delivery"):
            self._reports.append(lambda: report(None, Sent()))

    def poll(self, timeout: float) -> int:
        self._held = 0
        return 0

    def init_transactions(self, timeout: float) -> None:
        self._call("init_transactions")

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
        if name == self._failing and self._error is not None and self._times:
            self._times -= 1
            raise KafkaException(self._error)
