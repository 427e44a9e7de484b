"""Baselines for the same customers: the base rate, recency alone, RFM by logistic regression, BG/NBD, and the rule that
scores until there is a champion."""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from headrace.cases.ecommerce.models.behavior import bgnbd
from headrace.cases.ecommerce.models.behavior.rule import rule_probability
from headrace.models.learner import Probabilities

RECENCY = ("recency_days",)
RFM = ("recency_days", "orders", "monetary_value")


def baselines(
    training: pl.DataFrame, labels: NDArray[np.int64], evaluation: pl.DataFrame, days: float
) -> dict[str, Probabilities]:
    """Probabilities of an order within `days`.

    BG/NBD is fitted on the evaluated customers' own history up to the cutoff, as in production: it needs no labels.
    """
    rate = float(labels.mean())
    return {
        "base_rate": two_columns(np.full(evaluation.height, rate)),
        "recency": _logistic(training, labels, evaluation, RECENCY),
        "rfm_logistic_regression": _logistic(training, labels, evaluation, RFM),
        "bg_nbd": two_columns(_bg_nbd(evaluation, days)),
        "rfm_rule": two_columns(_rule(evaluation)),
    }


def two_columns(positive: NDArray[np.float64]) -> Probabilities:
    return np.column_stack([1.0 - positive, positive])


def _logistic(
    training: pl.DataFrame, labels: NDArray[np.int64], evaluation: pl.DataFrame, columns: tuple[str, ...]
) -> Probabilities:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    return model.fit(_logarithms(training, columns), labels).predict_proba(_logarithms(evaluation, columns))


def _logarithms(table: pl.DataFrame, columns: tuple[str, ...]) -> NDArray[np.float64]:
    return np.log1p(np.maximum(table.select(pl.col(columns).cast(pl.Float64).fill_null(0.0)).to_numpy(), 0.0))


def _rule(table: pl.DataFrame) -> NDArray[np.float64]:
    """The rule that scores until there is a champion."""
    return np.asarray([rule_probability(*row) for row in table.select("orders", "tenure_days", "recency_days").rows()])


def _bg_nbd(table: pl.DataFrame, days: float) -> NDArray[np.float64]:
    columns = (table[name].cast(pl.Float64).to_numpy() for name in ("order_days", "tenure_days", "recency_days"))
    history = bgnbd.history(*columns)
    return bgnbd.fit(*history).probability_of_order(*history, days)
