"""Ends a process whose transaction does not finish in time."""

import os
import threading
import time
from types import TracebackType

from headrace.contracts.exit_codes import ExitCode
from headrace.streaming.runtime import logs

_LOOK_SECONDS = 0.5


class Watchdog:
    """Ends the process immediately if the enclosed block takes longer than `seconds`.

    librdkafka's transactional calls do not always keep their timeouts: after a restart of the broker,
    `send_offsets_to_transaction` has been observed to wait for minutes. The outcome is then unknown, and only a new
    process can continue.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline: float | None = None
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def __enter__(self) -> None:
        self._deadline = time.monotonic() + self._seconds

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deadline = None

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            if (deadline := self._deadline) is not None and time.monotonic() > deadline:
                logs.logger(part="watchdog").error("transaction overdue: ending the process", seconds=self._seconds)
                os._exit(ExitCode.RESTART)
