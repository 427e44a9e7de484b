"""The behavior model's features as columns of numbers, the same for training and scoring."""

from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headrace.contracts.features import MONEY_UNITS, CustomerFeatures

if TYPE_CHECKING:
    import polars as pl

FEATURES = (
    "orders",
    "returns",
    "monetary_value",
    "recency_days",
    "tenure_days",
    "mean_gap_days",
    "mean_basket_lines",
    "order_days",
    "last_gap_days",
    "median_gap_days",
    "longest_gap_days",
)
"""See `headrace.contracts.features`; `monetary_value` is in units of the currency."""
DERIVED = ("day_gap_days", "overdue_mean", "overdue_median", "order_days_a_day")
COLUMNS = FEATURES + DERIVED
YOUNG_DAYS = 30.0
"""Added to a customer's tenure, so that a short tenure does not result in an extreme rate."""

Matrix = NDArray[np.float64]

_MONETARY_VALUE = FEATURES.index("monetary_value")
_given = attrgetter(*("monetary_units" if name == "monetary_value" else name for name in FEATURES))


def matrix(table: "pl.DataFrame") -> Matrix:
    """One row per row of the table, in the columns of `COLUMNS`; NaN if a feature has no value."""
    import polars as pl

    return _completed(np.column_stack([table[name].cast(pl.Float64).to_numpy() for name in FEATURES]))


def matrix_of(features: Sequence[CustomerFeatures]) -> Matrix:
    """The same for features of the stream."""
    given = np.asarray([_given(each) for each in features], dtype=np.float64)
    given[:, _MONETARY_VALUE] /= MONEY_UNITS
    return _completed(given)


def _completed(given: Matrix) -> Matrix:
    """The features with the derived columns.

    day_gap_days       mean days from one order day to the next
    overdue_mean       recency in units of that mean gap, of a day at least; overdue_median: of the median gap
    order_days_a_day   order days over tenure, the tenure being `YOUNG_DAYS` longer than it is
    """
    recency, tenure, days, median = (
        given[:, FEATURES.index(name)] for name in ("recency_days", "tenure_days", "order_days", "median_gap_days")
    )
    gap = np.where(days > 1, (tenure - recency) / np.maximum(days - 1, 1), np.nan)
    derived = (
        gap,
        recency / np.maximum(gap, 1.0),
        recency / np.maximum(median, 1.0),
        days / (tenure + YOUNG_DAYS),
    )
    return np.column_stack([given, *derived])
