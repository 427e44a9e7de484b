"""Words and characters of texts, counted and weighted by a fitted `TfidfVectorizer`: the same to the last bit, faster.

No token and no run of characters within words spans two words, and most words come again. So what the vectorizer makes
of a word is remembered (`models.sentiment.words`); a text is the sum of its words, and of pairs where those count.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from models.sentiment.words import Words


class Counter:
    """Counts by one vectorizer: pairs of words at most (`word`), or characters within words (`char_wb`)."""

    def __init__(self, vectorizer: TfidfVectorizer) -> None:
        self._weights = np.asarray(vectorizer.idf_, np.float64)
        self._vocabulary: dict[str, int] = vectorizer.vocabulary_
        self._is_of_words = vectorizer.analyzer == "word"
        preprocess: Callable[[str], str] = vectorizer.build_preprocessor()
        if self._is_of_words:
            tokenize: Callable[[str], list[str]] = vectorizer.build_tokenizer()
            self._analyze: Callable[[str], list[str]] = lambda word: tokenize(preprocess(word))
        else:
            self._analyze = vectorizer.build_analyzer()
        self._tokens = Words(self._analyze)
        self._columns = Words(self._columns_of)

    def transform(self, texts: Sequence[str]) -> Any:
        """What `TfidfVectorizer.transform` gives, with sublinear counts and rows of length 1."""
        counts = self._of_words(texts) if self._is_of_words else self._of_characters(texts)
        np.log(counts.data, out=counts.data)
        counts.data += 1.0
        counts.data *= self._weights[counts.indices]
        return normalize(counts, norm="l2", copy=False)

    def _of_words(self, texts: Sequence[str]) -> Any:
        column = self._vocabulary.get
        found: list[list[int]] = []
        for text in texts:
            tokens = list(chain.from_iterable(map(self._tokens.__getitem__, text.split())))
            columns = [column(token, -1) for token in tokens]
            columns += [column(f"{first} {second}", -1) for first, second in pairwise(tokens)]
            found.append([each for each in columns if each >= 0])
        ends = np.cumsum([0, *map(len, found)])
        columns = np.fromiter(chain.from_iterable(found), dtype=np.int32, count=int(ends[-1]))
        counts = sparse.csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(texts), len(self._vocabulary)))
        counts.sum_duplicates()
        return counts

    def _of_characters(self, texts: Sequence[str]) -> Any:
        places: dict[str, int] = {}
        rows = [[places.setdefault(word, len(places)) for word in text.split()] for text in texts]
        words = _ones([np.asarray(row, dtype=np.int32) for row in rows], len(places))
        counts = words @ _ones([self._columns[word] for word in places], len(self._vocabulary))
        # There and back sorts the columns, in a pass over them instead of a sort of each row.
        return counts.tocsc().tocsr()

    def _columns_of(self, word: str) -> NDArray[np.int32]:
        found = map(self._vocabulary.get, self._analyze(word))
        return np.asarray([each for each in found if each is not None], dtype=np.int32)


@lru_cache(maxsize=8)
def counter(vectorizer: TfidfVectorizer) -> Counter:
    """The counter of a vectorizer, made once of each while it is in use: a champion has two for each domain."""
    return Counter(vectorizer)


def _ones(rows: Sequence[NDArray[np.int32]], width: int) -> Any:
    """A matrix of ones in these columns of each row; a column that is there twice counts twice."""
    ends = np.cumsum([0, *map(len, rows)])
    columns = np.concatenate([*rows, np.empty(0, dtype=np.int32)])
    return sparse.csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(rows), width))
