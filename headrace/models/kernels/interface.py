"""The interface of the kernels: the computations of scoring for a batch, and their inputs."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class Language(NamedTuple):
    """The most probable language of a text (ISO 639)."""

    name: str
    probability: float


class Kernels(Protocol):
    """The computations of scoring for a whole batch."""

    def languages(self, texts: Sequence[str]) -> list[Language]:
        """py3langid: the language of each text."""
        ...

    def weights(self, vectorizer: Any, texts: Sequence[str]) -> Any:
        """A fitted `TfidfVectorizer` of characters within words (`char_wb`): a sparse row for each text."""
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
