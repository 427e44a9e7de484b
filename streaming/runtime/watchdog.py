"""Ends a process whose transaction does not come to an end."""

import os
import threading
import time
from types import TracebackType

from streaming.runtime import logs

EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits: trying again, in a new process, may help."""
_LOOK_SECONDS = 0.5


class Watchdog:
    """A block under it that takes longer than `seconds` ends the process at once.

    librdkafka's transactional calls do not always keep their timeouts: after a restart of the broker,
    `send_offsets_to_transaction` was seen to wait for minutes. The outcome is unknown then, and only a new process may
    go on.
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
                os._exit(EXIT_CODE)
