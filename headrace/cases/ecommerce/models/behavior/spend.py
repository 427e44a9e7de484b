"""Expected spend: a customer's revenue over the 90 days after a cutoff, returns deducted.

Gradient boosting with the Poisson deviance, which suits the mean of an amount that is never negative and often zero.
Features: those of the probability, the customer's past revenue extrapolated, and the mean amount of an order. It is
fitted on cutoffs whose 90 days have passed, and on customers of the most common currency, because amounts of several
currencies are not comparable. For other customers nothing is predicted.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from headrace.cases.ecommerce.models.behavior.matrix import COLUMNS, Matrix, matrix
from headrace.models.artifact import Fitted, Measure
from headrace.models.metrics import interval, resamples
from headrace.models.scoring import kernels

AHEAD = timedelta(days=90)
MIN_ROWS = 200
SETTINGS: Mapping[str, Any] = {
    "max_iter": 200,
    "learning_rate": 0.05,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 30,
    "early_stopping": False,
}

Amounts = NDArray[np.float64]


def fit(table: pl.DataFrame, seed: int) -> Fitted:
    """The estimator `spend` and its `spend_currency`; empty if there is too little data."""
    known = table.filter(pl.col("spend").is_not_null())
    currency = main_currency(known)
    known = known.filter(pl.col("currency") == pl.lit(currency, pl.String))
    if currency is None or known.height < MIN_ROWS or not (known["spend"] > 0).any():
        return {}
    model = HistGradientBoostingRegressor(loss="poisson", random_state=seed, **SETTINGS)
    model.fit(_matrix(matrix(known)), np.maximum(known["spend"].to_numpy(), 0.0))
    return {"spend": model, "spend_currency": currency}


def main_currency(table: pl.DataFrame) -> str | None:
    """The currency of most rows, the alphabetically first on a tie; None without rows."""
    counted = table.group_by("currency").len().sort(["len", "currency"], descending=[True, False])
    return None if counted.is_empty() else counted["currency"][0]


def predict(fitted: Fitted, values: Matrix, currencies: Sequence[str]) -> list[float | None]:
    """The expected spend of each row of `matrix`, to the cent; None if the model does not predict it."""
    if "spend" not in fitted:
        return [None] * len(values)
    amounts = np.round(kernels().predicted(fitted["spend"], _matrix(values)), 2).tolist()
    known = fitted["spend_currency"]
    return [amount if currency == known else None for amount, currency in zip(amounts, currencies, strict=True)]


def figures(table: pl.DataFrame, seed: int) -> dict[str, dict[str, Measure]]:
    """Metrics on the latest cutoff whose 90 days have passed, of a model fitted on earlier cutoffs.

    The baseline extrapolates the customer's past revenue per day. `total_ratio` is predicted over actual revenue.
    """
    known = table.filter(pl.col("spend").is_not_null())
    if known.is_empty():
        return {}
    last = known["cutoff"].max()
    fitted = fit(known.filter(pl.col("cutoff") + AHEAD <= last), seed)
    if not fitted:
        return {}
    window = known.filter((pl.col("cutoff") == last) & (pl.col("currency") == fitted["spend_currency"]))
    if window.is_empty():
        return {}
    actual = window["spend"].to_numpy()
    samples = resamples(window["customer_id"].to_numpy().astype(np.str_), seed)
    return {
        "spend": _measured(actual, fitted["spend"].predict(_matrix(matrix(window))), samples),
        "spend_as_before": _measured(actual, _as_before(matrix(window)), samples),
    }


def _matrix(values: Matrix) -> Matrix:
    orders = np.maximum(_column(values, "orders"), 1.0)
    return np.column_stack([values, _as_before(values), _column(values, "monetary_value") / orders])


def _column(values: Matrix, name: str) -> Amounts:
    return values[:, COLUMNS.index(name)]


def _as_before(values: Matrix) -> Amounts:
    """Past revenue per day, extrapolated to the days ahead; a tenure shorter than these counts as that long."""
    tenure = np.maximum(_column(values, "tenure_days"), AHEAD.days)
    return np.maximum(_column(values, "monetary_value"), 0.0) / tenure * AHEAD.days


def _measured(actual: Amounts, predicted: Amounts, samples: list[NDArray[np.int64]]) -> dict[str, Measure]:
    errors = np.abs(actual - predicted)
    return {
        "mean_absolute_error": interval(float(errors.mean()), [float(errors[rows].mean()) for rows in samples]),
        "total_ratio": interval(
            float(predicted.sum() / actual.sum()),
            [float(predicted[rows].sum() / actual[rows].sum()) for rows in samples],
        ),
    }
