"""The scorer in force within a process: the champion, or what scores until there is one.

`current` costs the reading of an attribute, so a batch asks for it once and is scored by one model as a whole; `follow`
may run beside it, in another thread. Nothing here imports MLflow, and scikit-learn comes with the first champion.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from contracts.settings import Settings
from models.artifact import Fitted, Name
from models.registry import champions, files
from models.registry.champions import Champion

REMEMBERED = "in-force.json"
"""The champion that was last taken here, for a start while the registry is away."""

S = TypeVar("S")


class Serving(Generic[S]):
    """The scorer in force of one model. `made` turns a champion's version name and estimators into a scorer."""

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
        """The champion that scores; None while the cold start does."""
        return self._champion

    def follow(self, settings: Settings) -> bool:
        """Ask who is champion and take that one; returns whether the scorer is another now.

        Raises:
            Transient: the registry is away.
            Terminal: the champion's file is damaged or not to be trusted. The scorer stays as it was.
        """
        return self._take(settings, champions.champion(settings.conninfo(role="headrace_scorer"), self.name))

    def recall(self, settings: Settings) -> bool:
        """Take the champion that was last taken on this machine, without asking. As `follow` otherwise."""
        path = _remembered(settings, self.name)
        if not path.is_file():
            return False
        return self._take(settings, msgspec.json.decode(path.read_bytes(), type=Champion))

    def _take(self, settings: Settings, champion: Champion | None) -> bool:
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
    """The estimators of a champion that score. Raises `files.RefusedFile`."""
    return files.load(settings.models_root / champion.folder / files.SERVING, champion.sha256)


def _remembered(settings: Settings, name: Name) -> Path:
    return settings.models_root / name / REMEMBERED
