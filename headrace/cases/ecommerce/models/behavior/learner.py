"""The behavior model: the probability that a customer orders again within 30 days of a cutoff.

A frame has a row for each customer and cutoff: `customer_id`, `cutoff`, the features as of the cutoff
(`headrace.contracts.features`), and the outcomes after it: `ordered`, and `spend` if 90 days have passed since.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from headrace.cases.ecommerce.models.behavior import bgnbd, spend
from headrace.cases.ecommerce.models.behavior.baselines import baselines, two_columns
from headrace.cases.ecommerce.models.behavior.bgnbd import BgNbd
from headrace.cases.ecommerce.models.behavior.matrix import COLUMNS, Matrix, matrix
from headrace.models.artifact import Fitted, Measure, Name, Rejected, Span
from headrace.models.calibration import temperature, tempered
from headrace.models.learner import Probabilities, Split
from headrace.models.scoring import kernels

LABEL = timedelta(days=30)
MIN_ROWS = 200
"""With fewer rows, or fewer customers of one outcome (`MIN_OF_A_CLASS`), a model would not generalize."""
MIN_OF_A_CLASS = 20
FOLDS = 3
_TINY = 1e-6
KNOWN_DAYS, LEAST_CUTOFFS = 90.0, 3
"""With less history, old customers look new: such cutoffs are left out if at least `LEAST_CUTOFFS` others remain."""


class BehaviorLearner:
    """The mean of gradient boosting and logistic regression over all customers at several cutoffs, calibrated.

    The two err differently. The odds of BG/NBD are an input of the regression, which could not derive them from its
    other inputs. The mean is calibrated by temperature scaling (Guo and others, "On calibration of modern neural
    networks", 2017) on predictions for customers whom they were not fitted on: one number, which changes the confidence
    of the model but not its ranking or level, because the level may differ from month to month.
    """

    name: Name = "behavior"
    classes: tuple[str, ...] = ("no order", "order")
    cutoff = "Only what happened at or before the cutoff; the label is the 30 days after it."
    parameters: Mapping[str, Any] = {
        "boosting": {
            "max_iter": 100,
            "learning_rate": 0.05,
            "max_leaf_nodes": 8,
            "min_samples_leaf": 60,
            "max_features": 0.3,
            "l2_regularization": 20.0,
            "early_stopping": False,
        },
        "logistic": {"C": 1.0, "max_iter": 1_000},
        "spend": dict(spend.SETTINGS),
    }

    def columns(self, table: pl.DataFrame) -> tuple[str, ...]:  # noqa: ARG002
        return COLUMNS

    def split(self, table: pl.DataFrame) -> Split:
        last = table["cutoff"].max()
        if not isinstance(last, datetime):
            raise Rejected("The frame has no rows.", remedy="Ingest or simulate orders, and build.")
        evaluation = table.filter(pl.col("cutoff") == last)
        training = table.filter(pl.col("cutoff") <= last - LABEL)
        for part in (training, evaluation):
            _require(part)
        return Split(training, evaluation, table, (_span(training), _span(evaluation), _span(table)))

    def fit(self, table: pl.DataFrame, seed: int) -> Fitted:
        known = _with_a_past(table)
        values, labels, rhythm = matrix(known), self.labels(known), _rhythm(known)
        unseen = np.empty((known.height, 2))
        for fit, left_out in GroupKFold(FOLDS).split(values, groups=self.groups(known)):
            unseen[left_out] = _mean(self._pair(values[fit], labels[fit], rhythm, seed), values[left_out])
        fitted = self._pair(values, labels, rhythm, seed) | {"temperature": temperature(labels, unseen)}
        return fitted | spend.fit(table, seed)

    def predict(self, fitted: Fitted, table: pl.DataFrame) -> Probabilities:
        return self.predict_matrix(fitted, matrix(table))

    def predict_matrix(self, fitted: Fitted, values: Matrix) -> Probabilities:
        """Like `predict`, for rows of `matrix`."""
        return tempered(_mean(fitted, values), fitted["temperature"])

    def _pair(self, values: Matrix, labels: NDArray[np.int64], rhythm: BgNbd, seed: int) -> Fitted:
        boosting = HistGradientBoostingClassifier(random_state=seed, **self.parameters["boosting"])
        logistic = make_pipeline(StandardScaler(), LogisticRegression(**self.parameters["logistic"]))
        inputs = np.column_stack([_logarithms(values), _log_odds(rhythm, values)])
        return {
            "boosting": boosting.fit(values, labels),
            "logistic": logistic.fit(inputs, labels),
            "bg_nbd": list(rhythm),
        }

    def labels(self, table: pl.DataFrame) -> NDArray[np.int64]:
        return table["ordered"].cast(pl.Int64).to_numpy()

    def groups(self, table: pl.DataFrame) -> NDArray[np.str_]:
        return table["customer_id"].to_numpy().astype(np.str_)

    def sources(self, table: pl.DataFrame) -> NDArray[np.str_] | None:  # noqa: ARG002
        return None

    def baselines(self, training: pl.DataFrame, evaluation: pl.DataFrame, seed: int) -> dict[str, Probabilities]:  # noqa: ARG002
        return baselines(training, self.labels(training), evaluation, LABEL.days)

    def further(self, table: pl.DataFrame, seed: int) -> dict[str, dict[str, Measure]]:
        return spend.figures(table, seed)


def _mean(fitted: Fitted, values: Matrix) -> Probabilities:
    boosting = two_columns(kernels().positive(fitted["boosting"], values))
    inputs = _logarithms(values)
    if "bg_nbd" in fitted:  # absent from older versions
        inputs = np.column_stack([inputs, _log_odds(BgNbd(*fitted["bg_nbd"]), values)])
    return (boosting + fitted["logistic"].predict_proba(inputs)) / 2.0


def _logarithms(values: Matrix) -> Matrix:
    """log(1 + v), as inputs of linear models. Negative and missing values count as 0.

    For each column, another one marks missing values.
    """
    missing = np.isnan(values)
    return np.column_stack([np.log1p(np.maximum(np.where(missing, 0.0, values), 0.0)), missing])


def _rhythm(table: pl.DataFrame) -> BgNbd:
    """BG/NBD as of the latest cutoff; it is fitted on the orders before that, without labels."""
    values = matrix(table.filter(pl.col("cutoff") == pl.col("cutoff").max()))
    return bgnbd.fit(*_history(values[~np.isnan(values[:, COLUMNS.index("recency_days")])]))


def _history(values: Matrix) -> tuple[bgnbd.Numbers, bgnbd.Numbers, bgnbd.Numbers]:
    return bgnbd.history(*(values[:, COLUMNS.index(name)] for name in ("order_days", "tenure_days", "recency_days")))


def _log_odds(rhythm: BgNbd, values: Matrix) -> bgnbd.Numbers:
    """Log odds of an order within the label's days, by BG/NBD; 0 for a customer without orders."""
    probability = rhythm.probability_of_order(*_history(values), LABEL.days)
    return np.nan_to_num(logit(np.clip(probability, _TINY, 1.0 - _TINY)))


def _with_a_past(table: pl.DataFrame) -> pl.DataFrame:
    """The rows at cutoffs with enough history, measured by the longest tenure at the cutoff."""
    known = table.filter(pl.col("tenure_days").max().over("cutoff") >= KNOWN_DAYS)
    return known if known["cutoff"].n_unique() >= LEAST_CUTOFFS else table


def _span(table: pl.DataFrame) -> Span:
    first, last = table["cutoff"].min(), table["cutoff"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        raise TypeError("cutoffs are times")
    return Span(first, last + LABEL, table.height)


def _require(part: pl.DataFrame) -> None:
    positive = int(part["ordered"].sum())
    fewest = min(positive, part.height - positive)
    if part.height < MIN_ROWS or fewest < MIN_OF_A_CLASS:
        raise Rejected(
            f"{part.height} rows, of which {positive} ordered again, are too few for training or evaluation:"
            f" it takes {MIN_ROWS}, with {MIN_OF_A_CLASS} of each class, at cutoffs {LABEL.days} days apart.",
            remedy="Wait until the shop has more orders, or ingest older ones.",
        )


LEARNER = BehaviorLearner()
