"""VADER as the scorer until there is a champion, and what a score is.

Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", 2014.
"""

from collections.abc import Sequence
from math import exp
from typing import Literal, NamedTuple

from headrace.cases.data_science.labels import Label
from headrace.models.kernels.vader import POLARITIES, polarities

NEUTRAL_BELOW = 0.05
"""VADER's authors call a text neutral when its compound score is between -0.05 and 0.05."""
STEEPNESS = 5.0
DIGITS = 6
_COMPOUND = POLARITIES.index("compound")

Subject = Literal["post", "feedback"]
"""The type of a text. The trained model has a part for each."""


class Scores(NamedTuple):
    """Probabilities of the three classes; they sum to 1, except for rounding to six digits."""

    negative: float
    neutral: float
    positive: float

    @property
    def label(self) -> Label:
        """The most probable class; on a tie, the one that is not neutral."""
        best = max(self)
        if self.positive == best:
            return "positive"
        return "negative" if self.negative == best else "neutral"


class Vader:
    """Probabilities from VADER's compound score c, by a softmax over (-c - 0.05)k, 0 and (c - 0.05)k.

    The most probable class is the one by VADER's own thresholds. The scorer is not fitted, so it is not calibrated.
    """

    version = "vader"

    def score(self, texts: Sequence[str], subjects: Sequence[Subject] | None = None) -> list[Scores]:  # noqa: ARG002
        return [probabilities(compound) for compound in polarities(texts)[:, _COMPOUND].tolist()]


def probabilities(compound: float) -> Scores:
    """The probabilities of `Vader` for a compound score."""
    negative, positive = (exp(STEEPNESS * (side * compound - NEUTRAL_BELOW)) for side in (-1, 1))
    total = negative + 1.0 + positive
    return Scores(round(negative / total, DIGITS), round(1.0 / total, DIGITS), round(positive / total, DIGITS))
