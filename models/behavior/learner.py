"""The behaviour model: the probability that a customer orders again within 30 days of a cutoff.

A frame has a row for each customer and cutoff: `customer_id`, `cutoff`, the features as of the cutoff
(`contracts.features`), and what came after it: `ordered`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from models.artifact import Fitted, Name, Refused, Span
from models.behavior.scorer import rule_probability
from models.learner import Probabilities, Split

LABEL = timedelta(days=30)
MIN_ROWS = 200
"""Fewer rows, or fewer customers who ordered again or did not, teach nothing that would hold."""
MIN_OF_A_CLASS = 20
FEATURES = ("orders", "returns", "monetary", "recency_days", "tenure_days", "mean_gap_days", "mean_basket_lines")


class BehaviorLearner:
    """Gradient boosting over the features of all customers at several cutoffs."""

    name: Name = "behavior"
    classes: tuple[str, ...] = ("no order", "order")
    cutoff = "Only what happened at or before the cutoff; the label is the 30 days after it."
    parameters: Mapping[str, Any] = {
        "max_iter": 100,
        "learning_rate": 0.05,
        "max_leaf_nodes": 8,
        "min_samples_leaf": 60,
    }

    def columns(self, table: pl.DataFrame) -> tuple[str, ...]:  # noqa: ARG002
        return FEATURES

    def split(self, table: pl.DataFrame) -> Split:
        last = table["cutoff"].max()
        if not isinstance(last, datetime):
            raise Refused("The frame has no rows.", remedy="Replay or simulate orders, and build.")
        evaluation = table.filter(pl.col("cutoff") == last)
        training = table.filter(pl.col("cutoff") <= last - LABEL)
        for part in (training, evaluation):
            _require(part)
        return Split(training, evaluation, table, (_span(training), _span(evaluation), _span(table)))

    def fit(self, table: pl.DataFrame, seed: int) -> Fitted:
        classifier = HistGradientBoostingClassifier(random_state=seed, **self.parameters)
        return {"classifier": classifier.fit(_matrix(table), self.labels(table))}

    def predict(self, fitted: Fitted, table: pl.DataFrame) -> Probabilities:
        return fitted["classifier"].predict_proba(_matrix(table))

    def labels(self, table: pl.DataFrame) -> NDArray[np.int64]:
        return table["ordered"].cast(pl.Int64).to_numpy()

    def groups(self, table: pl.DataFrame) -> NDArray[np.str_]:
        return table["customer_id"].to_numpy().astype(np.str_)

    def sources(self, table: pl.DataFrame) -> NDArray[np.str_] | None:  # noqa: ARG002
        return None

    def baselines(self, training: pl.DataFrame, evaluation: pl.DataFrame, seed: int) -> dict[str, Probabilities]:  # noqa: ARG002
        rate = float(self.labels(training).mean())
        seen = evaluation.select("orders", "tenure_days", "recency_days").iter_rows()
        rule = np.asarray([rule_probability(*row) for row in seen])
        return {
            "base_rate": np.tile([1.0 - rate, rate], (evaluation.height, 1)),
            "rfm_rule": np.column_stack([1.0 - rule, rule]),
        }


def _matrix(table: pl.DataFrame) -> NDArray[np.float64]:
    """The features as numbers; one that there is none of is NaN."""
    return table.select(pl.col(FEATURES).cast(pl.Float64)).to_numpy()


def _span(table: pl.DataFrame) -> Span:
    first, last = table["cutoff"].min(), table["cutoff"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        raise TypeError("cutoffs are times")
    return Span(first, last + LABEL, table.height)


def _require(part: pl.DataFrame) -> None:
    positive = int(part["ordered"].sum())
    fewest = min(positive, part.height - positive)
    if part.height < MIN_ROWS or fewest < MIN_OF_A_CLASS:
        raise Refused(
            f"{part.height} rows, of which {positive} ordered again, are too few to learn or to judge from:"
            f" it takes {MIN_ROWS} with {MIN_OF_A_CLASS} of each kind, at cutoffs {LABEL.days} days apart.",
            remedy="Wait until the shop has more orders, or replay older ones.",
        )


LEARNER = BehaviorLearner()
