"""Metrics of predicted probabilities, with intervals.

Sources: average precision and ROC AUC as in scikit-learn; Brier, "Verification of forecasts expressed in terms of
probability", 1950; expected calibration error over bins of equal numbers (Naeini, Cooper and Hauskrecht, "Obtaining
well calibrated probabilities using Bayesian binning", 2015); the bootstrap over groups: Efron and Tibshirani, "An
introduction to the bootstrap", 1993, percentile interval.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, recall_score

from headrace.models.artifact import Bin, Measure
from headrace.models.learner import Probabilities
from headrace.models.scoring import kernels

Labels = NDArray[np.int64]
Metric = Callable[[Labels, Probabilities], float]

CALIBRATION_BINS = 10
RESAMPLES = 200
COVERAGE = 0.95
_TINY = 1e-15


def brier(labels: Labels, probabilities: Probabilities) -> float:
    """Mean squared difference between the second class's probability and the outcome."""
    return float(np.mean((probabilities[:, 1] - labels) ** 2))


def log_loss(labels: Labels, probabilities: Probabilities) -> float:
    """Mean negative logarithm of the probability of the outcome."""
    predicted = probabilities[np.arange(len(labels)), labels]
    return float(-np.mean(np.log(np.clip(predicted, _TINY, 1.0))))


def calibration(labels: Labels, probabilities: Probabilities, bins: int = CALIBRATION_BINS) -> list[Bin]:
    """The calibration curve of the second of two classes; of more classes, of the most probable class of each row.

    Bins hold equal numbers of rows; rows with the same probability stay together.
    """
    predicted, outcomes = _confidence(labels, probabilities)
    edges = np.unique(np.quantile(predicted, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
    where = np.searchsorted(edges, predicted, side="left")
    return [
        Bin(float(predicted[inside].mean()), float(outcomes[inside].mean()), int(inside.sum()))
        for inside in (where == number for number in range(len(edges) + 1))
        if inside.any()
    ]


def expected_calibration_error(labels: Labels, probabilities: Probabilities) -> float:
    """Mean distance of the calibration curve from the diagonal, weighted by number of rows."""
    points = calibration(labels, probabilities)
    return sum(abs(each.probability - each.observed) * each.rows for each in points) / len(labels)


def error_if_calibrated(probabilities: Probabilities, seed: int, times: int = RESAMPLES) -> Measure:
    """The expected calibration error of these probabilities if they were perfectly calibrated.

    By chance, a bin of some hundred rows is never exactly on the diagonal. The mean over draws, and its interval.
    """
    random = np.random.default_rng(seed)
    drawn = [
        expected_calibration_error(
            (random.random(len(probabilities)) < probabilities[:, 1]).astype(np.int64), probabilities
        )
        for _ in range(times)
    ]
    return interval(float(np.mean(drawn)), drawn)


def macro_recall(labels: Labels, probabilities: Probabilities) -> float:
    """Mean recall over the classes."""
    predicted = np.argmax(probabilities, axis=1)
    return float(recall_score(labels, predicted, average="macro", labels=np.unique(labels)))


def macro_f1(labels: Labels, probabilities: Probabilities) -> float:
    predicted = np.argmax(probabilities, axis=1)
    return float(f1_score(labels, predicted, average="macro", labels=np.unique(labels)))


def accuracy(labels: Labels, probabilities: Probabilities) -> float:
    return float(np.mean(np.argmax(probabilities, axis=1) == labels))


def auc(labels: Labels, probabilities: Probabilities) -> float:
    """Area under the ROC curve of the second class."""
    return kernels().auc(labels, probabilities[:, 1])


BINARY: Mapping[str, Metric] = {
    "auc": auc,
    "average_precision": lambda labels, probabilities: float(average_precision_score(labels, probabilities[:, 1])),
    "brier": brier,
    "ece": expected_calibration_error,
    "log_loss": log_loss,
}
MULTICLASS: Mapping[str, Metric] = {
    "macro_recall": macro_recall,
    "macro_f1": macro_f1,
    "accuracy": accuracy,
    "ece": expected_calibration_error,
    "log_loss": log_loss,
}
LESS_IS_BETTER = frozenset({"brier", "ece", "log_loss"})


def metrics_for(classes: int) -> Mapping[str, Metric]:
    return BINARY if classes == 2 else MULTICLASS


def resamples(groups: NDArray[np.str_], seed: int, times: int = RESAMPLES) -> list[NDArray[np.int64]]:
    """Rows drawn with replacement, whole groups at a time: an index for each resample.

    Evaluating two models on the same resamples gives a paired comparison.
    """
    _, group_of = np.unique(groups, return_inverse=True)
    order = np.argsort(group_of, kind="stable")
    starts = np.searchsorted(group_of[order], np.arange(group_of.max() + 1))
    members = np.split(order, starts[1:])
    random = np.random.default_rng(seed)
    drawn = (random.integers(0, len(members), len(members)) for _ in range(times))
    return [np.concatenate([members[number] for number in numbers]) for numbers in drawn]


def measured(
    metrics: Mapping[str, Metric],
    labels: Labels,
    probabilities: Probabilities,
    samples: list[NDArray[np.int64]],
) -> dict[str, Measure]:
    """Each metric on all rows, with its percentile interval over the resamples. NaN for the AUC of one class alone."""
    usable = [rows for rows in samples if len(np.unique(labels[rows])) > 1]
    return {
        name: interval(metric(labels, probabilities), [metric(labels[rows], probabilities[rows]) for rows in usable])
        for name, metric in metrics.items()
    }


def interval(value: float, resampled: list[float]) -> Measure:
    """A value with the percentile interval of its resampled values."""
    tail = (1.0 - COVERAGE) / 2
    low, high = np.quantile(resampled, (tail, 1.0 - tail)) if resampled else (np.nan, np.nan)
    return Measure(value, float(low), float(high))


def _confidence(labels: Labels, probabilities: Probabilities) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if probabilities.shape[1] == 2:
        return probabilities[:, 1], labels.astype(np.float64)
    predicted = np.argmax(probabilities, axis=1)
    return probabilities[np.arange(len(labels)), predicted], (predicted == labels).astype(np.float64)
