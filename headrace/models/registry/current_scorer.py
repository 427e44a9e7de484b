"""The current scorer of a process: the champion, or the cold start until there is one.

Call `current` once per batch, so that the whole batch is scored by one model; it only reads an attribute. `follow` may
run in another thread. MLflow is not imported, and scikit-learn only with the first champion.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from headrace.contracts.settings import Settings
from headrace.models.artifact import Fitted, Name
from headrace.models.registry import champions, files
from headrace.models.registry.champions import Champion

REMEMBERED = "in-force.json"
"""The champion that was last loaded here, for a start while the registry is unavailable."""

S = TypeVar("S")


class CurrentScorer(Generic[S]):
    """The current scorer of one model. `made` turns a champion's version name and estimators into a scorer."""

    def __init__(self, name: Name, cold_start: Callable[[], S], made: Callable[[str, Fitted], S]) -> None:
        self.name: Name = name
        self._cold_start = cold_start
        self._made = made
        self._scorer: S | None = None
        self._champion: Champion | None = None

    def current(self) -> S:
        """The scorer to use now."""
        if self._scorer is None:
            self._scorer = self._cold_start()
        return self._scorer

    @property
    def champion(self) -> Champion | None:
        """The champion that scores; None while the cold start scores."""
        return self._champion

    def follow(self, settings: Settings) -> bool:
        """Look up the champion and load it; returns whether the scorer has changed.

        Raises:
            Transient: the registry is unavailable.
            Terminal: the champion's file is damaged or not trusted. The scorer stays unchanged.
        """
        return self._load(settings, champions.champion(settings.conninfo(role="headrace_scorer"), self.name))

    def recall(self, settings: Settings) -> bool:
        """Load the champion that was last loaded on this machine, without the registry. Otherwise like `follow`."""
        path = _remembered(settings, self.name)
        if not path.is_file():
            return False
        return self._load(settings, msgspec.json.decode(path.read_bytes(), type=Champion))

    def _load(self, settings: Settings, champion: Champion | None) -> bool:
        if champion == self._champion:
            return False
        if champion is None:
            scorer = self._cold_start()
            _remembered(settings, self.name).unlink(missing_ok=True)
        else:
            scorer = self._made(champion.name, load(settings, champion))
            files.write(_remembered(settings, self.name), msgspec.json.encode(champion))
        self._scorer, self._champion = scorer, champion
        return True


def load(settings: Settings, champion: Champion) -> Fitted:
    """The serving estimators of a champion. Raises `files.InvalidModelFile`."""
    return files.load(settings.models_root / champion.folder / files.SERVING, champion.sha256)


def _remembered(settings: Settings, name: Name) -> Path:
    return settings.models_root / name / REMEMBERED
