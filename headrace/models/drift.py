"""Drift of data since a model's training: the population stability index, with a threshold by sample size.

Bins hold equal numbers of reference rows; missing values are a separate bin. With p and q the shares of the bins,

    PSI = sum (p - q) ln(p / q)

Without drift, PSI / (1/n + 1/m) is distributed as chi-squared with (bins - 1) degrees of freedom, n and m
being the numbers of rows (Yurdakul and Naranjo, "Statistical properties of the population stability index", 2020). The
threshold is that distribution's quantile, so it depends on the sample size: the customary 0.1 and 0.25 raise false
alarms with 100 rows and miss a real change with 100,000.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from msgspec import Struct, structs
from numpy.typing import NDArray
from scipy.stats import chi2

from headrace.models import training
from headrace.models.artifact import Card, Fitted

BINS = 10
SIGNIFICANCE = 0.01
"""Chance of a false alarm over all columns together (Bonferroni)."""
MIN_ROWS = 100
_HALF_A_ROW = 0.5
_SCORE = "probability of "

Numbers = NDArray[np.float64]


class Drift(Struct, frozen=True):
    """The drift of one column: the index, the threshold, and the means for readers.

    `of_scores` marks columns of predicted probabilities. Drift of a feature alone may be harmless, like the growing
    tenure of a young shop's customers; drift of the scores is not.
    """

    column: str
    psi: float
    threshold: float
    reference_mean: float
    current_mean: float
    of_scores: bool = False

    @property
    def has_moved(self) -> bool:
        return self.psi > self.threshold


def drift(reference: pl.DataFrame, current: pl.DataFrame, columns: Sequence[str]) -> list[Drift]:
    """The drift of each numeric column; none while either side has fewer than `MIN_ROWS` rows."""
    if min(reference.height, current.height) < MIN_ROWS:
        return []
    return [_drift(name, _numbers(reference, name), _numbers(current, name), len(columns)) for name in columns]


def since_judged(card: Card, judged: Fitted, reference: pl.DataFrame, current: pl.DataFrame) -> list[Drift]:
    """The drift of a model's features and predictions, from its evaluation window to later rows.

    Texts count by their length. Both sides are scored by estimators that were fitted on neither.
    """
    sides = [_described(card, judged, each) for each in (reference, current) if each.height]
    found = drift(sides[0], sides[1], sides[0].columns) if len(sides) == 2 else []
    return [structs.replace(each, of_scores=each.column.startswith(_SCORE)) for each in found]


def _described(card: Card, judged: Fitted, table: pl.DataFrame) -> pl.DataFrame:
    features = table.select(
        pl.col(name).str.len_chars() if table.schema[name] == pl.String else pl.col(name).cast(pl.Float64, strict=False)
        for name in card.columns
        if name in table.columns
    )
    predicted = training.score(card.name, judged, table)
    scores = {f"{_SCORE}{name}": predicted[:, place] for place, name in enumerate(card.classes) if place}
    return features.with_columns(**scores)


def _drift(name: str, reference: Numbers, current: Numbers, columns: int) -> Drift:
    edges = np.unique(np.nanquantile(reference, np.linspace(0, 1, BINS + 1)[1:-1])) if _any(reference) else np.array([])
    before, now = _counts(reference, edges), _counts(current, edges)
    met = (before + now) > 0
    before, now = before[met], now[met]
    # Add half a row to every bin, so that the logarithm of an empty one exists.
    p = (before + _HALF_A_ROW) / (before + _HALF_A_ROW).sum()
    q = (now + _HALF_A_ROW) / (now + _HALF_A_ROW).sum()
    scale = 1 / len(reference) + 1 / len(current)
    threshold = chi2.ppf(1 - SIGNIFICANCE / columns, max(len(before) - 1, 1)) * scale
    return Drift(name, float(np.sum((p - q) * np.log(p / q))), float(threshold), _mean(reference), _mean(current))


def _counts(values: Numbers, edges: Numbers) -> Numbers:
    """Rows in each bin; the last bin has those without a value."""
    present = values[~np.isnan(values)]
    inside = np.bincount(np.searchsorted(edges, present, side="left"), minlength=len(edges) + 1)
    return np.append(inside, len(values) - len(present)).astype(np.float64)


def _numbers(table: pl.DataFrame, name: str) -> Numbers:
    return table[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def _any(values: Numbers) -> bool:
    return bool((~np.isnan(values)).any())


def _mean(values: Numbers) -> float:
    return float(np.nanmean(values)) if _any(values) else float("nan")
