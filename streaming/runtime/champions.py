"""Keeps the scorer of a process at the champion: asks the registry every few seconds, in a thread of its own.

Whatever goes wrong is logged and counted, and the scorer stays what it is: the stream does not depend on the registry.
"""

import threading
from typing import Any

from contracts.errors import Terminal, Transient
from contracts.settings import Settings
from models.registry.current_scorer import CurrentScorer
from streaming.runtime import logs, metrics

POLL_SECONDS = 5.0
"""A promotion is to reach the stream within 30 s, loading the model included."""


class Follower:
    """Follows the champion of one model."""

    def __init__(self, settings: Settings, scorer: CurrentScorer[Any], poll_seconds: float = POLL_SECONDS) -> None:
        self._settings = settings
        self._scorer = scorer
        self._poll_seconds = poll_seconds
        self._log = logs.logger(part="champions", model=scorer.name)
        self._failing = ""

    def start(self) -> None:
        """Take the champion now, so that the first batch is scored by it already, and follow from then on.

        Where the registry does not answer, the champion that scored here before is taken.
        """
        if not self.look():
            self._attempt("recalled")
        threading.Thread(target=self._follow, name=f"champion-{self._scorer.name}", daemon=True).start()

    def look(self) -> bool:
        """Ask once, and take another champion if there is one; returns whether that went well."""
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
        except Exception as error:  # noqa: BLE001  a model may fail to load in any way; the stream goes on
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
        # Once for each reason, not every few seconds.
        if str(error) != self._failing:
            self._failing = str(error)
            self._log.error("champion not taken", reason=reason, error=str(error))
