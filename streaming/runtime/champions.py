"""Keeps a process's scorer at the champion: polls the registry every few seconds in a separate thread.

Failures are logged and counted, and the current scorer stays in use: the stream does not depend on the registry.
"""

import threading
from typing import Any

from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.settings import Settings
from headrace.models.registry.current_scorer import CurrentScorer
from headrace.streaming.runtime import logs, metrics

POLL_SECONDS = 5.0
"""A promotion must reach the stream within 30 s, including loading the model."""


class Follower:
    """Follows the champion of one model."""

    def __init__(self, settings: Settings, scorer: CurrentScorer[Any], poll_seconds: float = POLL_SECONDS) -> None:
        self._settings = settings
        self._scorer = scorer
        self._poll_seconds = poll_seconds
        self._log = logs.logger(part="champions", model=scorer.name)
        self._failing = ""

    def start(self) -> None:
        """Load the champion now, so that it scores the first batch, and follow it from then on.

        If the registry does not answer, the champion last used here is loaded.
        """
        if not self.look():
            self._attempt("recalled")
        threading.Thread(target=self._follow, name=f"champion-{self._scorer.name}", daemon=True).start()

    def look(self) -> bool:
        """Poll once, and load the champion if it has changed; returns whether that succeeded."""
        return self._attempt("taken")

    def _follow(self) -> None:
        wait = threading.Event()
        while not wait.wait(self._poll_seconds):
            self.look()

    def _attempt(self, how: str) -> bool:
        name, take = self._scorer.name, self._scorer.recall if how == "recalled" else self._scorer.follow
        try:
            swapped = take(self._settings)
        except (Transient, Terminal) as error:
            self._fail("registry away" if isinstance(error, Transient) else "model refused", error)
            return False
        except Exception as error:  # noqa: BLE001  loading a model may raise anything, and must not stop the stream
            self._fail("model error", error)
            return False
        self._failing = ""
        champion = self._scorer.champion
        metrics.CHAMPION.labels(name).set(champion.version if champion else 0)
        if swapped:
            self._log.info(f"champion {how}", version=champion.name if champion else None)
        return True

    def _fail(self, reason: str, error: Exception) -> None:
        metrics.CHAMPION_FAILURES.labels(self._scorer.name, reason).inc()
        # Log each reason once, not every few seconds.
        if str(error) != self._failing:
            self._failing = str(error)
            self._log.error("champion not loaded", reason=reason, error=str(error))
