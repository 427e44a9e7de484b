"""Helps the tests of live sources: a source read in a thread, as the runner does, without Kafka."""

import threading
import time
from ctypes import c_ulong, py_object, pythonapi
from typing import Any, ClassVar

from headrace.streaming.sources.live.source import Batch, Source
from headrace.streaming.sources.outcomes import Accepted, Ignored, Outcome, Rejected
from tests.unit.sources.walking import readable

DEADLINE_SECONDS = 20.0


class Reading:
    """What a source has yielded so far."""

    started: ClassVar[list["Reading"]] = []

    def __init__(self, source: Source, position: Any = None) -> None:
        self.batches: list[Batch] = []
        self.error: BaseException | None = None
        self._batches = source.read(position)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.started.append(self)

    def _run(self) -> None:
        try:
            for batch in self._batches:
                self.batches.append(batch)
        except BaseException as error:  # noqa: BLE001  the test looks at it
            self.error = error

    def end(self) -> None:
        """Have the thread end at its next step: a source reads forever otherwise."""
        if self._thread.is_alive():
            pythonapi.PyThreadState_SetAsyncExc(c_ulong(self._thread.ident or 0), py_object(SystemExit))

    def wait_for(self, count: int) -> "Reading":
        """Wait until so many inputs were read, and a moment longer: there must not be more."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(self.outcomes) < count and self.error is None:
            assert time.monotonic() < deadline, f"{len(self.outcomes)} of {count}"
            time.sleep(0.01)
        return self

    def wait_for_end(self) -> "Reading":
        """Wait until the source raised."""
        self._thread.join(DEADLINE_SECONDS)
        assert self.error is not None
        return self

    @property
    def outcomes(self) -> list[Outcome]:
        return [readable(outcome) for batch in list(self.batches) for outcome in batch.outcomes]

    @property
    def position(self) -> Any:
        """The position after all of it."""
        return self.batches[-1].position if self.batches else None

    @property
    def events(self) -> list[Any]:
        return [outcome.event for outcome in self.outcomes if isinstance(outcome, Accepted)]

    @property
    def rejected(self) -> list[str]:
        return [outcome.reason for outcome in self.outcomes if isinstance(outcome, Rejected)]

    @property
    def ignored(self) -> list[str]:
        return [outcome.reason for outcome in self.outcomes if isinstance(outcome, Ignored)]
