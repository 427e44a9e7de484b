"""The area under the ROC curve by ranks, for the bootstrap, which needs it for hundreds of resamples.

Mann and Whitney, "On a test of whether one of two random variables is stochastically larger than the other", 1947.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def auc(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """The share of pairs of a positive and a negative row in which the positive one has the higher probability."""
    positive = int(labels.sum())
    ranks = rankdata(probabilities)[labels == 1].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * (len(labels) - positive)))
