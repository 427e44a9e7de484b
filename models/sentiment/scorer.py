"""The sentiment scorer in force: the champion, or VADER until there is one."""

from collections.abc import Sequence
from typing import Protocol

from models.artifact import Fitted
from models.registry.current_scorer import CurrentScorer
from models.sentiment.vader import DIGITS, Scores, Subject, Vader


class Scorer(Protocol):
    """Scores cleaned texts, each of a post or feedback (posts, where not said). `version` goes into every score."""

    version: str

    def score(self, texts: Sequence[str], subjects: Sequence[Subject] | None = None) -> list[Scores]: ...


class Champion:
    """A registered model."""

    def __init__(self, version: str, fitted: Fitted) -> None:
        self.version = version
        self._fitted = fitted

    def score(self, texts: Sequence[str], subjects: Sequence[Subject] | None = None) -> list[Scores]:
        if not texts:
            return []
        from models.sentiment.learner import LEARNER
        from models.threads import one_thread

        with one_thread():
            said = LEARNER.said(self._fitted, texts, subjects or ["post"] * len(texts))
        return [Scores(*row) for row in said.round(DIGITS).tolist()]


SCORER: CurrentScorer[Scorer] = CurrentScorer("sentiment", Vader, Champion)
current = SCORER.current
