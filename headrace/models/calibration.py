"""Temperature scaling: probabilities are made more or less confident, so that they match observed frequencies.

Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", 2017.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from headrace.models.learner import Probabilities

_TINY = 1e-12
_BOUNDS = (np.log(0.2), np.log(5.0))


def tempered(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Softmax of the logarithms divided by the temperature: above 1 less confident, below 1 more."""
    logits = np.log(np.clip(probabilities, _TINY, 1.0)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def temperature(labels: NDArray[np.int64], probabilities: Probabilities) -> float:
    """The maximum-likelihood temperature for these labels. The probabilities must be of models not fitted on them."""
    rows = np.arange(len(labels))

    def loss(logarithm: float) -> float:
        predicted = tempered(probabilities, float(np.exp(logarithm)))[rows, labels]
        return -float(np.mean(np.log(np.clip(predicted, _TINY, 1.0))))

    found: Any = minimize_scalar(loss, bounds=_BOUNDS, method="bounded")
    return float(np.exp(found.x))
