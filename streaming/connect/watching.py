"""The watcher: applies the declared connectors, restarts failed ones, and reports failures.

Connect does not restart failed tasks, so one minute without PostgreSQL would otherwise end a delivery permanently.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event as Flag

from prometheus_client import Counter, Gauge

from headrace.contracts.delivery import DELIVERIES
from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.streaming.connect.applying import Change, apply, configure, wanted_connectors
from headrace.streaming.connect.connectors import PREFIX, sink_name
from headrace.streaming.connect.passing import pass_unreadable
from headrace.streaming.connect.worker import ConnectorState, Worker, worker_of
from headrace.streaming.runtime.logs import logger

LOOK_SECONDS = 2.0
DECLARED_SECONDS = 60.0
"""How often the declaration is checked: a recreated topic has another id."""
FIRST_DELAY_SECONDS, LAST_DELAY_SECONDS = 1.0, 60.0
STEADY_SECONDS = 120.0
"""After this long without a failure, the next failure counts as the first."""

FAILED = Gauge("headrace_connect_failed", "Whether the connector or a task of it has failed.", ["connector"])
RESTARTS = Counter("headrace_connect_restarts", "Restarts of failed connectors and tasks.", ["connector"])

log = logger(part="connect")


@dataclass
class BackOff:
    """Exponential back-off for restarts of a failing connector."""

    delay: float = FIRST_DELAY_SECONDS
    due: float | None = None
    last_failed: float = field(default=float("-inf"))

    def is_due(self, failed: bool, now: float) -> bool:
        """Record the current state of the connector; returns whether to restart it now."""
        if not failed:
            self.due = None
            return False
        if self.due is None:
            if now - self.last_failed > STEADY_SECONDS:
                self.delay = FIRST_DELAY_SECONDS
            self.due = now + self.delay
        self.last_failed = now
        if now < self.due:
            return False
        self.delay = min(self.delay * 2, LAST_DELAY_SECONDS)
        self.due = now + self.delay
        return True


class Watcher:
    """Watches the connectors of one worker until it is stopped."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._stop = Flag()
        self._back_offs: dict[str, BackOff] = {}
        self._told: dict[str, str | None] = {}

    def stop(self) -> None:
        """End `run` soon."""
        self._stop.set()

    def run(self, ready: Callable[[], None]) -> None:
        """Apply the declaration, call `ready`, then watch.

        Raises:
            Terminal: the worker cannot run the declared connectors.
        """
        while not self._stop.is_set():
            try:
                _report(apply(self._settings))
                break
            except Transient as error:
                log.warning("waiting", reason=str(error))
                self._stop.wait(LOOK_SECONDS)
        if not self._stop.is_set():
            ready()
        looked_at = self._clock()
        with worker_of(self._settings) as worker:
            while not self._stop.wait(LOOK_SECONDS):
                try:
                    self.look(worker)
                    if self._clock() - looked_at >= DECLARED_SECONDS:
                        _report(configure(self._settings, wanted_connectors(self._settings)))
                        looked_at = self._clock()
                except Transient as error:
                    log.warning("cannot look", reason=str(error))

    def look(self, worker: Worker) -> None:
        """Check all connectors of Headrace once, and restart those that are due."""
        for state in worker.states():
            if not state.name.startswith(PREFIX):
                continue
            self._log_failure(state)
            if self._back_offs.setdefault(state.name, BackOff()).is_due(state.failed, self._clock()):
                self._pass_unreadable(state.name)
                worker.restart(state.name)
                RESTARTS.labels(state.name).inc()
                log.info("restarted", connector=state.name)

    def _pass_unreadable(self, name: str) -> None:
        """Move a delivery past a batch that it cannot read, if that is why it failed."""
        for delivery in DELIVERIES.values():
            if sink_name(delivery) == name:
                try:
                    pass_unreadable(self._settings, delivery)
                except Transient as error:
                    log.warning("cannot look for unreadable batches", connector=name, reason=str(error))

    def _log_failure(self, state: ConnectorState) -> None:
        """Log a failure once, and the recovery."""
        FAILED.labels(state.name).set(state.failed)
        error = state.first_error if state.failed else None
        if error != self._told.get(state.name):
            if error is not None:
                log.error("failed", connector=state.name, error=error)
            elif state.running:
                log.info("running again", connector=state.name)
            else:
                return
            self._told[state.name] = error


def _report(changes: list[Change]) -> None:
    for change in changes:
        if change.action != "keep":
            log.info("connector applied", connector=change.name, action=change.action)
