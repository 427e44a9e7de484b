"""VADER's scores of a text, as features of the trained model and as its baseline."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headrace.cases.data_science.models.sentiment.vader import NEUTRAL_BELOW, probabilities
from headrace.models.kernels.vader import POLARITIES, polarities

COLUMNS = (*POLARITIES, "strength", "is_negative", "is_positive")
_COMPOUND = COLUMNS.index("compound")

Scores = NDArray[np.float64]


def scores(texts: Sequence[str]) -> Scores:
    """One row for each text, in the columns of `COLUMNS`. `strength` is the absolute compound score."""
    four = polarities(texts)
    compound = four[:, _COMPOUND]
    signs = [(compound < -NEUTRAL_BELOW).astype(np.float64), (compound > NEUTRAL_BELOW).astype(np.float64)]
    return np.column_stack([four, np.abs(compound), *signs])


def vader(values: Scores) -> NDArray[np.float64]:
    """The probabilities by VADER alone, without training."""
    return np.asarray([probabilities(compound) for compound in values[:, _COMPOUND]], dtype=np.float64).reshape(-1, 3)
