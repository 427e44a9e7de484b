"""Words and characters of texts, counted and weighted by a fitted `TfidfVectorizer`: the same to the last bit, faster.

No token and no character n-gram within words spans two words, and most words recur. So the vectorizer's result for a
word is cached (`models.kernels.words`); a text is the sum of its words, and of word pairs if those count.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from models.kernels.words import Split, Words, placed


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
            pairs = [term.split(" ") for term in self._vocabulary if " " in term]
            self._firsts, self._seconds = {first for first, _ in pairs}, {second for _, second in pairs}
        else:
            self._analyze = vectorizer.build_analyzer()
        self._tokens = Words(self._analyze)
        self._columns = Words(self._columns_of)

    def transform(self, words: Split) -> Any:
        """The result of `TfidfVectorizer.transform`, with sublinear counts and rows of length 1."""
        counts = (self._of_words if self._is_of_words else self._of_characters)(words)
        np.log(counts.data, out=counts.data)
        counts.data += 1.0
        counts.data *= self._weights[counts.indices]
        return normalize(counts, norm="l2", copy=False)

    def _of_words(self, words: Split) -> Any:
        every = placed([self._tokens[word] for word in words.words])
        tokens, lengths = every.words, np.bincount(every.text_of, minlength=every.texts)
        # From the words of the texts to their tokens: most words are one token, some are none or several.
        times = lengths[words.place]
        within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        token = every.place[np.repeat((np.cumsum(lengths) - lengths)[words.place], times) + within]
        text_of = np.repeat(words.text_of, times)
        first, second = token[:-1], token[1:]
        can_be_a_pair = _among(self._firsts, tokens)[first] & _among(self._seconds, tokens)[second]
        pairs = np.flatnonzero(can_be_a_pair & (text_of[:-1] == text_of[1:]))
        codes, place = np.unique(first[pairs] * len(tokens) + second[pairs], return_inverse=True)
        named = [f"{tokens[code // len(tokens)]} {tokens[code % len(tokens)]}" for code in codes.tolist()]
        columns = np.concatenate([self._places(tokens)[token], self._places(named)[place]])
        rows = np.concatenate([text_of, text_of[pairs]])
        known = columns >= 0
        shape = (words.texts, len(self._vocabulary))
        return sparse.coo_matrix((np.ones(known.sum()), (rows[known], columns[known])), shape=shape).tocsr()

    def _of_characters(self, words: Split) -> Any:
        ends = np.searchsorted(words.text_of, np.arange(words.texts + 1))
        ones = np.ones(len(words.place))
        present = sparse.csr_matrix((ones, words.place, ends), shape=(words.texts, len(words.words)))
        counts = present @ _ones([self._columns[word] for word in words.words], len(self._vocabulary))
        # Converting there and back sorts the columns in one pass, instead of a sort per row.
        return counts.tocsc().tocsr()

    def _places(self, terms: Sequence[str]) -> NDArray[np.int64]:
        """The columns of terms; -1 for terms without one."""
        get = self._vocabulary.get
        return np.fromiter((get(term, -1) for term in terms), dtype=np.int64, count=len(terms))

    def _columns_of(self, word: str) -> NDArray[np.int32]:
        found = map(self._vocabulary.get, self._analyze(word))
        return np.asarray([each for each in found if each is not None], dtype=np.int32)


@lru_cache(maxsize=8)
def counter(vectorizer: TfidfVectorizer) -> Counter:
    """The counter of a vectorizer, cached: a champion has two vectorizers per domain."""
    return Counter(vectorizer)


def _among(known: set[str], terms: Sequence[str]) -> NDArray[np.bool_]:
    return np.fromiter(map(known.__contains__, terms), dtype=np.bool_, count=len(terms))


def _ones(rows: Sequence[NDArray[np.int32]], width: int) -> Any:
    """A matrix of ones in these columns of each row; a repeated column counts twice."""
    ends = np.cumsum([0, *map(len, rows)])
    columns = np.concatenate([*rows, np.empty(0, dtype=np.int32)])
    return sparse.csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(rows), width))
