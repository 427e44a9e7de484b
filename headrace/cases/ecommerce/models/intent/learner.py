"""The intent models: the probability that a visit ends in a purchase, by gradient boosting.

`intent` uses the first pages of the shop's own visits (`warehouse/frames/intent.sql`), `intent-shoppers` whole sessions
from a file (`shoppers`), with and without `PageValues`. Several boosted models, which sample columns at every split,
are averaged: the mean ranks better and varies less than one model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from headrace.cases.ecommerce.models.intent import shoppers
from headrace.models.artifact import Fitted, Measure, Name, Rejected, Span
from headrace.models.learner import Probabilities, Split

FIRST_PAGES = (
    "seconds_so_far",
    "distinct_pages",
    "product_pages",
    "add_to_cart_events",
    "cart_products",
    "remove_from_cart_events",
    "cart_value",
    "is_known",
    "earlier_visits",
    "earlier_purchases",
    "days_since_visit",
    "hour",
    "weekday",
    "is_mobile",
    "is_referred",
)
MIN_ROWS, MIN_OF_A_CLASS = 200, 20
LATEST = 0.2
"""The share of visits for evaluation, at most: the latest ones."""
MEMBERS = 3
WITHOUT_PAGE_VALUES = "without_page_values"


@dataclass(frozen=True)
class IntentLearner:
    """One of the two models. `hindsight` is an optional column; tables with and without it have separate estimators."""

    name: Name
    features: tuple[str, ...]
    cutoff: str
    group: str
    single: str
    """The only column of the simplest baseline."""
    hindsight: str | None = None
    classes: tuple[str, ...] = ("no purchase", "purchase")
    parameters: Mapping[str, Any] = field(
        default_factory=lambda: {
            "max_iter": 100,
            "learning_rate": 0.05,
            "max_leaf_nodes": 16,
            "min_samples_leaf": 40,
            "max_features": 0.4,
            "early_stopping": False,
        }
    )

    def columns(self, table: pl.DataFrame) -> tuple[str, ...]:
        seen = self.hindsight is not None and self.hindsight in table.columns
        return (*self.features, self.hindsight) if seen and self.hindsight else self.features

    def split(self, table: pl.DataFrame) -> Split:
        """The latest `LATEST` of the visits, and those before. Visits of the same time stay together."""
        if table.is_empty():
            raise Rejected("The frame has no rows.", remedy="Ingest or simulate visits, and build.")
        times = table["cutoff"].sort()
        start = times[int((1.0 - LATEST) * table.height)]
        # If one time holds many visits, such as a month, the window begins at the next time.
        later = times.filter(times > start)
        start = later[0] if (times == start).sum() > LATEST / 4 * table.height and len(later) else start
        training, evaluation = table.filter(pl.col("cutoff") < start), table.filter(pl.col("cutoff") >= start)
        for part in (training, evaluation):
            self._require(part)
        return Split(training, evaluation, table, (_span(training), _span(evaluation), _span(table)))

    def fit(self, table: pl.DataFrame, seed: int) -> Fitted:
        fitted: Fitted = {"first": self._boosted(table, self.features, seed)}
        if self.columns(table) != self.features:
            fitted["hindsight"] = self._boosted(table, self.columns(table), seed)
        return fitted

    def predict(self, fitted: Fitted, table: pl.DataFrame) -> Probabilities:
        columns = self.columns(table)
        if columns != self.features and "hindsight" in fitted:
            return _mean(fitted["hindsight"], _matrix(table, columns))
        return _mean(fitted["first"], _matrix(table, self.features))

    def labels(self, table: pl.DataFrame) -> NDArray[np.int64]:
        return table["bought"].cast(pl.Int64).to_numpy()

    def groups(self, table: pl.DataFrame) -> NDArray[np.str_]:
        return table[self.group].to_numpy().astype(np.str_)

    def sources(self, table: pl.DataFrame) -> NDArray[np.str_] | None:  # noqa: ARG002
        return None

    def baselines(self, training: pl.DataFrame, evaluation: pl.DataFrame, seed: int) -> dict[str, Probabilities]:
        labels, columns = self.labels(training), self.columns(evaluation)
        rate = float(labels.mean())
        single = self.single if self.single in evaluation.columns else self.features[0]
        others = {
            "base_rate": np.tile([1.0 - rate, rate], (evaluation.height, 1)),
            single: _logistic(training, labels, evaluation, (single,)),
            "logistic_regression": _logistic(training, labels, evaluation, columns),
        }
        if columns != self.features:
            others[WITHOUT_PAGE_VALUES] = _mean(
                self._boosted(training, self.features, seed), _matrix(evaluation, self.features)
            )
        return others

    def further(self, table: pl.DataFrame, seed: int) -> dict[str, dict[str, Measure]]:  # noqa: ARG002
        return {}

    def _boosted(
        self, table: pl.DataFrame, columns: tuple[str, ...], seed: int
    ) -> list[HistGradientBoostingClassifier]:
        values, labels = _matrix(table, columns), self.labels(table)
        return [
            HistGradientBoostingClassifier(random_state=seed + number, **self.parameters).fit(values, labels)
            for number in range(MEMBERS)
        ]

    def _require(self, part: pl.DataFrame) -> None:
        bought = int(part["bought"].sum())
        if part.height < MIN_ROWS or min(bought, part.height - bought) < MIN_OF_A_CLASS:
            raise Rejected(
                f"{part.height} visits, of which {bought} bought, are too few for training or evaluation: it takes"
                f" {MIN_ROWS}, with {MIN_OF_A_CLASS} of each outcome, among the earlier and the later visits.",
                remedy="Wait until the shop has more visits, or ingest older logs.",
            )


def _mean(members: list[HistGradientBoostingClassifier], values: NDArray[np.float64]) -> Probabilities:
    return np.mean([member.predict_proba(values) for member in members], axis=0)


def _matrix(table: pl.DataFrame, columns: tuple[str, ...]) -> NDArray[np.float64]:
    return table.select(pl.col(columns).cast(pl.Float64)).to_numpy()


def _logistic(
    training: pl.DataFrame, labels: NDArray[np.int64], evaluation: pl.DataFrame, columns: tuple[str, ...]
) -> Probabilities:
    def logarithms(table: pl.DataFrame) -> NDArray[np.float64]:
        return np.log1p(np.maximum(np.nan_to_num(_matrix(table, columns)), 0.0))

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    return model.fit(logarithms(training), labels).predict_proba(logarithms(evaluation))


def _span(table: pl.DataFrame) -> Span:
    first, last = table["cutoff"].min(), table["cutoff"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        raise TypeError("cutoffs are times")
    return Span(first, last, table.height)


INTENT = IntentLearner(
    name="intent",
    features=FIRST_PAGES,
    cutoff="What the visit did up to its third page, and the visitor's visits that ended before it began.",
    group="visitor_id",
    single="add_to_cart_events",
)
SHOPPERS = IntentLearner(
    name="intent-shoppers",
    features=shoppers.COLUMNS,
    cutoff="The whole session, as the file counts it; `PageValues` is known only in hindsight.",
    group="session",
    single=shoppers.PAGE_VALUES,
    hindsight=shoppers.PAGE_VALUES,
)
