"""The current sentiment scorer: the champion, or VADER until there is one."""

from collections.abc import Sequence
from typing import Protocol

from headrace.cases.data_science.models.sentiment.vader import DIGITS, Scores, Subject, Vader
from headrace.models.artifact import Fitted
from headrace.models.registry.current_scorer import CurrentScorer


class Scorer(Protocol):
    """Scores cleaned texts of posts or feedback (posts by default). `version` goes into every score."""

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
        from headrace.cases.data_science.models.sentiment.learner import LEARNER
        from headrace.models.threads import one_thread

        with one_thread():
            probabilities = LEARNER.predict_texts(self._fitted, texts, subjects or ["post"] * len(texts))
        return [Scores(*row) for row in probabilities.round(DIGITS).tolist()]


SCORER: CurrentScorer[Scorer] = CurrentScorer("sentiment", Vader, Champion)
current = SCORER.current
