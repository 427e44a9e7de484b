"""The kernels of scoring by the libraries themselves, one text or one tree at a time."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from headrace.models.kernels.interface import Language, Numbers


class Library:
    """py3langid and scikit-learn."""

    def languages(self, texts: Sequence[str]) -> list[Language]:
        return [Language(str(name), float(probability)) for name, probability in map(self._identifier.classify, texts)]

    def weights(self, vectorizer: Any, texts: Sequence[str]) -> Any:
        return vectorizer.transform(texts)

    def auc(self, labels: NDArray[np.int64], probabilities: Numbers) -> float:
        from sklearn.metrics import roc_auc_score

        return float(roc_auc_score(labels, probabilities))

    def positive(self, classifier: Any, matrix: Numbers) -> Numbers:
        return classifier.predict_proba(matrix)[:, 1]

    def predicted(self, regressor: Any, matrix: Numbers) -> Numbers:
        return regressor.predict(matrix)

    @cached_property
    def _identifier(self) -> LanguageIdentifier:
        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


LIBRARY = Library()
