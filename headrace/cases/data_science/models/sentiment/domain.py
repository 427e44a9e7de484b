"""The sentiment model of one domain, posts or feedback: words, characters and VADER's scores under one regression.

Reviews help little with posts and can harm: in a review every word is about a product. So each domain is fitted on its
own texts. Texts of the other domain have a weight, chosen by cross-validation on the domain's own texts; it may be 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from headrace.cases.data_science.models.sentiment.lexicon import Scores
from headrace.models.calibration import temperature, tempered
from headrace.models.learner import Probabilities
from headrace.models.metrics import macro_recall
from headrace.models.scoring import kernels

FOLDS = 3
WEIGHTS = (0.0, 0.2)
"""Candidate weights of a text of the other domain; the domain's own texts have weight 1."""
PLENTY = 4_000
"""With this many texts, a domain needs neither the other's texts nor character n-grams, the slowest to count."""
MAX_FEATURES = 60_000
WORDS: dict[str, Any] = {
    "ngram_range": (1, 2),
    "min_df": 2,
    "sublinear_tf": True,
    "strip_accents": "unicode",
    "token_pattern": r"(?u)\b\w[\w']*\b|[!?]+",
    "max_features": MAX_FEATURES,
}
CHARACTERS: dict[str, Any] = {
    "analyzer": "char_wb",
    "ngram_range": (2, 5),
    "min_df": 2,
    "sublinear_tf": True,
    "max_features": MAX_FEATURES,
}
REGRESSION: dict[str, Any] = {"C": 1.0, "max_iter": 300, "tol": 1e-3}

Part = dict[str, Any]
"""The fitted estimators of one domain."""


@dataclass(frozen=True)
class Labeled:
    """Cleaned texts with VADER's scores and labels."""

    texts: Sequence[str]
    lexicon: Scores
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: NDArray[np.int64]) -> "Labeled":
        return Labeled([self.texts[int(row)] for row in rows], self.lexicon[rows], self.labels[rows])


def fit(own: Labeled, other: Labeled, seed: int) -> Part:
    """Choose the other domain's weight and the temperature by cross-validation, then fit on everything."""
    weights = WEIGHTS if len(other) and len(own) < PLENTY else WEIGHTS[:1]
    unseen = {weight: _unseen(own, other, weight, seed) for weight in weights}
    # On a tie, the smallest weight.
    best = max(weights, key=lambda weight: (round(macro_recall(own.labels, unseen[weight]), 3), -weight))
    part = _fit(own, other, best, seed)
    return part | {"weight": best, "temperature": temperature(own.labels, unseen[best])}


def predict(part: Part, texts: Sequence[str], lexicon: Scores) -> Probabilities:
    return tempered(_raw(part, texts, lexicon), part["temperature"])


def _unseen(own: Labeled, other: Labeled, weight: float, seed: int) -> Probabilities:
    """The prediction for each text by a model that was not fitted on it."""
    predicted = np.empty((len(own), 3))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for fitting, left_out in folds.split(own.labels, own.labels):
        held = own.take(left_out)
        predicted[left_out] = _raw(_fit(own.take(fitting), other, weight, seed), held.texts, held.lexicon)
    return predicted


def _fit(own: Labeled, other: Labeled, weight: float, seed: int) -> Part:
    rows = _joined(own, other.take(_some(len(other), len(own), seed))) if weight else own
    counts = np.concatenate([np.ones(len(own)), np.full(len(rows) - len(own), weight)])
    part: Part = {"words": _counting(WORDS, own.texts), "lexicon": StandardScaler().fit(own.lexicon)}
    if len(own) < PLENTY:
        part["characters"] = _counting(CHARACTERS, own.texts)
    regression = LogisticRegression(**REGRESSION)
    features = _features(part, rows.texts, rows.lexicon)
    return part | {"regression": regression.fit(features, rows.labels, sample_weight=counts)}


def _counting(settings: dict[str, Any], texts: Sequence[str]) -> TfidfVectorizer:
    vectorizer = TfidfVectorizer(**settings).fit(texts)
    # Plain integers, because skops writes each numpy integer as a separate file: 90,000 files take 10 s to load.
    vectorizer.vocabulary_ = {term: int(column) for term, column in vectorizer.vocabulary_.items()}
    return vectorizer


def _raw(part: Part, texts: Sequence[str], lexicon: Scores) -> Probabilities:
    return part["regression"].predict_proba(_features(part, texts, lexicon))


def _features(part: Part, texts: Sequence[str], lexicon: Scores) -> Any:
    counted = [part["words"].transform(texts)]
    if "characters" in part:
        counted.append(kernels().weights(part["characters"], texts))
    return sparse.hstack([*counted, sparse.csr_matrix(part["lexicon"].transform(lexicon))], format="csr")


def _some(size: int, most: int, seed: int) -> NDArray[np.int64]:
    """At most `most` rows, sampled from `size` rows."""
    if size <= most:
        return np.arange(size)
    return np.sort(np.random.default_rng(seed).choice(size, most, replace=False))


def _joined(own: Labeled, other: Labeled) -> Labeled:
    return Labeled(
        [*own.texts, *other.texts],
        np.concatenate([own.lexicon, other.lexicon]),
        np.concatenate([own.labels, other.labels]),
    )
