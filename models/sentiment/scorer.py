"""The sentiment scorer in force: the champion, or VADER until there is one.

VADER: Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", 2014.
"""

from collections.abc import Sequence
from math import exp
from typing import Literal, NamedTuple, Protocol

from contracts.data_science import Label
from models.artifact import Fitted
from models.registry.serving import Serving
from models.sentiment.polarity import COLUMNS, Analyzer

NEUTRAL_BELOW = 0.05
"""VADER's authors call a text neutral when its compound score is between -0.05 and 0.05."""
STEEPNESS = 5.0
_DIGITS = 6
_COMPOUND = COLUMNS.index("compound")

Subject = Literal["post", "feedback"]
"""What is scored. The trained model has a part for each."""


class Scores(NamedTuple):
    """Probabilities of the three classes; they sum to 1 but for rounding to six digits."""

    negative: float
    neutral: float
    positive: float

    @property
    def label(self) -> Label:
        """The most probable class; of two alike, the one that is not neutral."""
        best = max(self)
        if self.positive == best:
            return "positive"
        return "negative" if self.negative == best else "neutral"


class Scorer(Protocol):
    """Scores cleaned texts, each of a post or feedback (posts, where not said). `version` goes into every score."""

    version: str

    def score(self, texts: Sequence[str], subjects: Sequence[Subject] | None = None) -> list[Scores]: ...


class Vader:
    """Probabilities from VADER's compound score c, by a softmax over (-c - 0.05)k, 0 and (c - 0.05)k.

    The most probable class is then the one that VADER's own thresholds give. Nothing was fitted: not calibrated.
    """

    version = "vader"

    def __init__(self) -> None:
        self._analyzer = Analyzer()

    def score(self, texts: Sequence[str], subjects: Sequence[Subject] | None = None) -> list[Scores]:  # noqa: ARG002
        return [probabilities(compound) for compound in self._analyzer.polarities(texts)[:, _COMPOUND].tolist()]


def probabilities(compound: float) -> Scores:
    """What `Vader` makes of a compound score."""
    negative, positive = (exp(STEEPNESS * (side * compound - NEUTRAL_BELOW)) for side in (-1, 1))
    total = negative + 1.0 + positive
    return Scores(round(negative / total, _DIGITS), round(1.0 / total, _DIGITS), round(positive / total, _DIGITS))


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
        return [Scores(*row) for row in said.round(_DIGITS).tolist()]


SERVING: Serving[Scorer] = Serving("sentiment", Vader, Champion)
current = SERVING.current
