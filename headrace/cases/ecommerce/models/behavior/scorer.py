"""The current behavior scorer: the champion, or a rule over recency, frequency and gaps until there is one."""

from collections.abc import Sequence
from typing import Protocol

from headrace.cases.ecommerce.models.behavior.rule import DIGITS, RfmRule, Score, segment_of
from headrace.contracts.features import CustomerFeatures
from headrace.models.artifact import Fitted
from headrace.models.registry.current_scorer import CurrentScorer


class Scorer(Protocol):
    """Scores features. `version` goes into every score."""

    version: str

    def score(self, features: Sequence[CustomerFeatures]) -> list[Score]: ...


class Champion:
    """A registered model; its segments are those of the rule."""

    def __init__(self, version: str, fitted: Fitted) -> None:
        self.version = version
        self._fitted = fitted

    def score(self, features: Sequence[CustomerFeatures]) -> list[Score]:
        if not features:
            return []
        from headrace.cases.ecommerce.models.behavior import spend
        from headrace.cases.ecommerce.models.behavior.learner import LEARNER
        from headrace.cases.ecommerce.models.behavior.matrix import matrix_of
        from headrace.models.threads import one_thread

        values = matrix_of(features)
        with one_thread():
            probabilities = LEARNER.predict_matrix(self._fitted, values)[:, 1].tolist()
            amounts = spend.predict(self._fitted, values, [each.currency for each in features])
        return [
            Score(round(probability, DIGITS), segment_of(each), amount)
            for probability, amount, each in zip(probabilities, amounts, features, strict=True)
        ]


SCORER: CurrentScorer[Scorer] = CurrentScorer("behavior", RfmRule, Champion)
current = SCORER.current
