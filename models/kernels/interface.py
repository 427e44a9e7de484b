"""The interface of the kernels: the computations of scoring for a batch, and their inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.kernels.words import Split, split

Numbers = NDArray[np.float64]
POLARITIES = ("negative", "neutral", "positive", "compound")
"""VADER's scores of a text."""


class Language(NamedTuple):
    """The most probable language of a text (ISO 639)."""

    name: str
    probability: float


@dataclass(frozen=True, eq=False)
class Texts:
    """The texts of a batch, and their words, which are split once for all kernels."""

    texts: Sequence[str]

    @cached_property
    def words(self) -> Split:
        return split(self.texts)


class Kernels(Protocol):
    """The computations of scoring for a whole batch."""

    def polarities(self, batch: Texts) -> Numbers:
        """VADER: one row for each text, in the columns of `POLARITIES`."""
        ...

    def languages(self, texts: Sequence[str]) -> list[Language]:
        """py3langid: the language of each text."""
        ...

    def weights(self, vectorizer: Any, batch: Texts) -> Any:
        """A fitted `TfidfVectorizer`: a sparse row for each text."""
        ...

    def auc(self, labels: NDArray[np.int64], probabilities: Numbers) -> float:
        """The area under the ROC curve; `labels` are 0 and 1, and both occur."""
        ...

    def positive(self, classifier: Any, matrix: Numbers) -> Numbers:
        """A fitted `HistGradientBoostingClassifier` of two classes: the probability of the second for each row."""
        ...

    def predicted(self, regressor: Any, matrix: Numbers) -> Numbers:
        """A fitted `HistGradientBoostingRegressor` with Poisson loss: the amount for each row."""
        ...
