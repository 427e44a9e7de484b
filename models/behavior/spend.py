"""Expected spend: a customer's revenue over the 90 days after a cutoff, returns deducted.

Gradient boosting under the Poisson deviance, which is about the mean of an amount that is never negative and often
nothing, over the features of the probability, the customer's revenue so far going on as before, and the mean amount of
an order. It learns from cutoffs whose 90 days have passed, and from the customers of the most common currency: amounts
of several currencies are not one quantity. For all others nothing is predicted.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from models.artifact import Fitted, Measure
from models.behavior.matrix import COLUMNS, Matrix, matrix
from models.metrics import interval, resamples
from models.scoring import kernels

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
    """The estimator `spend`, and `spend_currency`, which it is about; nothing where there is too little to learn."""
    known = table.filter(pl.col("spend").is_not_null())
    currency = main_currency(known)
    known = known.filter(pl.col("currency") == pl.lit(currency, pl.String))
    if currency is None or known.height < MIN_ROWS or not (known["spend"] > 0).any():
        return {}
    model = HistGradientBoostingRegressor(loss="poisson", random_state=seed, **SETTINGS)
    model.fit(_matrix(matrix(known)), np.maximum(known["spend"].to_numpy(), 0.0))
    return {"spend": model, "spend_currency": currency}


def main_currency(table: pl.DataFrame) -> str | None:
    """The currency of most rows, the first by alphabet of several; None without rows."""
    counted = table.group_by("currency").len().sort(["len", "currency"], descending=[True, False])
    return None if counted.is_empty() else counted["currency"][0]


def predict(fitted: Fitted, values: Matrix, currencies: Sequence[str]) -> list[float | None]:
    """The expected spend of each row of `matrix`, to the cent; None where the model has nothing to say of it."""
    if "spend" not in fitted:
        return [None] * len(values)
    amounts = np.round(kernels().predicted(fitted["spend"], _matrix(values)), 2).tolist()
    known = fitted["spend_currency"]
    return [amount if currency == known else None for amount, currency in zip(amounts, currencies, strict=True)]


def figures(table: pl.DataFrame, seed: int) -> dict[str, dict[str, Measure]]:
    """How such a model did on the latest cutoff whose 90 days have passed, having learned from those before them.

    Beside it, the customer's own past revenue a day, going on. `total_ratio` is what was said over what came in all.
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
    came = window["spend"].to_numpy()
    samples = resamples(window["customer_id"].to_numpy().astype(np.str_), seed)
    return {
        "spend": _measured(came, fitted["spend"].predict(_matrix(matrix(window))), samples),
        "spend_as_before": _measured(came, _as_before(matrix(window)), samples),
    }


def _matrix(values: Matrix) -> Matrix:
    orders = np.maximum(_column(values, "orders"), 1.0)
    return np.column_stack([values, _as_before(values), _column(values, "monetary_value") / orders])


def _column(values: Matrix, name: str) -> Amounts:
    return values[:, COLUMNS.index(name)]


def _as_before(values: Matrix) -> Amounts:
    """Revenue so far a day, over the days ahead; a tenure of less than these tells no rate of its own."""
    tenure = np.maximum(_column(values, "tenure_days"), AHEAD.days)
    return np.maximum(_column(values, "monetary_value"), 0.0) / tenure * AHEAD.days


def _measured(came: Amounts, said: Amounts, samples: list[NDArray[np.int64]]) -> dict[str, Measure]:
    errors = np.abs(came - said)
    return {
        "mean_absolute_error": interval(float(errors.mean()), [float(errors[rows].mean()) for rows in samples]),
        "total_ratio": interval(
            float(said.sum() / came.sum()), [float(said[rows].sum() / came[rows].sum()) for rows in samples]
        ),
    }
