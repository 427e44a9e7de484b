"""Characters of texts, counted and weighted by a fitted `TfidfVectorizer`: the same to the last bit, faster.

No character n-gram within words spans two words, and most words recur. So the vectorizer's result for a word is cached;
a text is the sum of its words.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain, count
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from headrace.models.kernels.words import Words


class Counter:
    """Counts by one vectorizer of characters within words (`char_wb`)."""

    def __init__(self, vectorizer: TfidfVectorizer) -> None:
        self._weights = np.asarray(vectorizer.idf_, np.float64)
        self._vocabulary: dict[str, int] = vectorizer.vocabulary_
        self._analyze: Callable[[str], list[str]] = vectorizer.build_analyzer()
        self._columns = Words(self._columns_of)

    def transform(self, texts: Sequence[str]) -> Any:
        """The result of `TfidfVectorizer.transform`, with sublinear counts and rows of length 1."""
        counts = self._counts([text.split() for text in texts])
        np.log(counts.data, out=counts.data)
        counts.data += 1.0
        counts.data *= self._weights[counts.indices]
        return normalize(counts, norm="l2", copy=False)

    def _counts(self, texts: Sequence[Sequence[str]]) -> Any:
        every = list(chain.from_iterable(texts))
        places = dict(zip(dict.fromkeys(every), count(), strict=False))
        place = np.fromiter(map(places.__getitem__, every), dtype=np.int64, count=len(every))
        ends = np.cumsum([0, *map(len, texts)])
        present = sparse.csr_matrix((np.ones(len(place)), place, ends), shape=(len(texts), len(places)))
        counts = present @ _ones([self._columns[word] for word in places], len(self._vocabulary))
        # Converting there and back sorts the columns in one pass, instead of a sort per row.
        return counts.tocsc().tocsr()

    def _columns_of(self, word: str) -> NDArray[np.int32]:
        found = map(self._vocabulary.get, self._analyze(word))
        return np.asarray([each for each in found if each is not None], dtype=np.int32)


@lru_cache(maxsize=8)
def counter(vectorizer: TfidfVectorizer) -> Counter:
    """The counter of a vectorizer, cached: a champion has one for each domain."""
    return Counter(vectorizer)


def _ones(rows: Sequence[NDArray[np.int32]], width: int) -> Any:
    """A matrix of ones in these columns of each row; a repeated column counts twice."""
    ends = np.cumsum([0, *map(len, rows)])
    columns = np.concatenate([*rows, np.empty(0, dtype=np.int32)])
    return sparse.csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(rows), width))
