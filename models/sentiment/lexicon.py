"""VADER's scores of a text, as features of the trained model and as its baseline."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.sentiment import polarity
from models.sentiment.polarity import Analyzer
from models.sentiment.scorer import NEUTRAL_BELOW, probabilities
from models.sentiment.words import Split

COLUMNS = (*polarity.COLUMNS, "strength", "is_negative", "is_positive")
_COMPOUND = COLUMNS.index("compound")

Scores = NDArray[np.float64]


def scores(texts: Sequence[str], words: Split | None = None) -> Scores:
    """One row for each text, in the columns of `COLUMNS`. `strength` is the compound score without its sign.

    `words` are the texts', where they are split already.
    """
    four = _analyzer().polarities(texts, words)
    compound = four[:, _COMPOUND]
    signs = [(compound < -NEUTRAL_BELOW).astype(np.float64), (compound > NEUTRAL_BELOW).astype(np.float64)]
    return np.column_stack([four, np.abs(compound), *signs])


def vader(values: Scores) -> NDArray[np.float64]:
    """The probabilities that the scorer without training gives."""
    return np.asarray([probabilities(compound) for compound in values[:, _COMPOUND]], dtype=np.float64).reshape(-1, 3)


@cache
def _analyzer() -> Analyzer:
    return Analyzer()
