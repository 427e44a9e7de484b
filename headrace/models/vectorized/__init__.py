"""Vectorized kernels of scoring, which replace library code for speed.

Each module has a property test with the library as its reference (`tests/unit/models/test_vectorized.py`). A module
stays only while it takes less than half of the library's processor time on real texts or rows, as `make bench-scoring`
measures (docs/decisions/0030).
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from headrace.models.kernels.interface import Language, Numbers

if TYPE_CHECKING:
    from headrace.models.vectorized.language import Identifier

# The modules are imported in the methods: a process that scores customers needs none of the text libraries.


class Vectorized:
    """Computes the same as `headrace.models.kernels.library.Library`, for whole batches."""

    def languages(self, texts: Sequence[str]) -> list[Language]:
        return self._identifier.languages(texts)

    def weights(self, vectorizer: Any, texts: Sequence[str]) -> Any:
        from headrace.models.vectorized.counting import counter

        return counter(vectorizer).transform(texts)

    def auc(self, labels: NDArray[np.int64], probabilities: Numbers) -> float:
        from headrace.models.vectorized.auc import auc

        return auc(labels, probabilities)

    def positive(self, classifier: Any, matrix: Numbers) -> Numbers:
        from headrace.models.vectorized.trees import trees

        return expit(trees(classifier).raw(matrix))

    def predicted(self, regressor: Any, matrix: Numbers) -> Numbers:
        from headrace.models.vectorized.trees import trees

        return np.exp(trees(regressor).raw(matrix))

    @cached_property
    def _identifier(self) -> "Identifier":
        from headrace.models.vectorized.language import Identifier

        return Identifier()


VECTORIZED = Vectorized()
