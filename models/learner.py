"""What `models.training` asks of each model: how its rows are split, fitted, scored, and what else could be said."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.artifact import Fitted, Measure, Name, Span

Probabilities = NDArray[np.float64]
"""One row for each row of a table, one column for each class; rows sum to 1."""


@dataclass(frozen=True)
class Split:
    """Rows to learn from, later rows to be judged by, and all whose outcome is known, each with its span."""

    training: pl.DataFrame
    evaluation: pl.DataFrame
    serving: pl.DataFrame
    spans: tuple[Span, Span, Span]


class Learner(Protocol):
    """One model. Fitting is repeatable to the last bit: one thread, the rows in their order, the seed given."""

    name: Name
    classes: tuple[str, ...]
    cutoff: str
    """What of a row's past the features may see, in a sentence."""
    parameters: Mapping[str, Any]

    def columns(self, table: pl.DataFrame) -> tuple[str, ...]:
        """Feature columns of such a table, in the order the estimators take them."""
        ...

    def split(self, table: pl.DataFrame) -> Split:
        """Raises Refused: rows are too few, of one class, or not far enough apart in time."""
        ...

    def fit(self, table: pl.DataFrame, seed: int) -> Fitted: ...

    def predict(self, fitted: Fitted, table: pl.DataFrame) -> Probabilities: ...

    def labels(self, table: pl.DataFrame) -> NDArray[np.int64]:
        """What came true: an index into `classes` for each row."""
        ...

    def groups(self, table: pl.DataFrame) -> NDArray[np.str_]:
        """By what the rows are drawn: rows of one group are resampled together."""
        ...

    def sources(self, table: pl.DataFrame) -> NDArray[np.str_] | None:
        """Which part each row belongs to, where the report tells the parts apart."""
        ...

    def baselines(self, training: pl.DataFrame, evaluation: pl.DataFrame, seed: int) -> dict[str, Probabilities]:
        """What simpler means, fitted on the same rows, say of the same window."""
        ...

    def further(self, table: pl.DataFrame, seed: int) -> dict[str, dict[str, Measure]]:
        """Figures of what else the model says, from a whole frame."""
        ...
