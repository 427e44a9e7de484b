"""The interface of each model to `headrace.models.training`: splitting, fitting and scoring, and its baselines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headrace.models.artifact import Fitted, Measure, Name, Span

Probabilities = NDArray[np.float64]
"""One row for each row of a table, one column for each class; rows sum to 1."""


@dataclass(frozen=True)
class Split:
    """Rows for training, later rows for evaluation, and all rows whose outcome is known, each with its span."""

    training: pl.DataFrame
    evaluation: pl.DataFrame
    serving: pl.DataFrame
    spans: tuple[Span, Span, Span]


class Learner(Protocol):
    """One model. Fitting is reproducible to the last bit: one thread, rows in order, a given seed."""

    name: Name
    classes: tuple[str, ...]
    cutoff: str
    """Which part of a row's past the features may use, in a sentence."""
    parameters: Mapping[str, Any]

    def columns(self, table: pl.DataFrame) -> tuple[str, ...]:
        """Feature columns of such a table, in the order that the estimators expect."""
        ...

    def split(self, table: pl.DataFrame) -> Split:
        """Raises Rejected: there are too few rows, only one class, or the rows are too close in time."""
        ...

    def fit(self, table: pl.DataFrame, seed: int) -> Fitted: ...

    def predict(self, fitted: Fitted, table: pl.DataFrame) -> Probabilities: ...

    def labels(self, table: pl.DataFrame) -> NDArray[np.int64]:
        """The outcome of each row, as an index into `classes`."""
        ...

    def groups(self, table: pl.DataFrame) -> NDArray[np.str_]:
        """The group of each row: rows of one group are resampled together."""
        ...

    def sources(self, table: pl.DataFrame) -> NDArray[np.str_] | None:
        """The part of each row, if the report has metrics by part."""
        ...

    def baselines(self, training: pl.DataFrame, evaluation: pl.DataFrame, seed: int) -> dict[str, Probabilities]:
        """Predictions of baselines, fitted on the same rows, for the same window."""
        ...

    def further(self, table: pl.DataFrame, seed: int) -> dict[str, dict[str, Measure]]:
        """Metrics of the model's other predictions, from a whole frame."""
        ...
