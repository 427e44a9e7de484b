"""The language of texts, by py3langid's model, for a whole batch at once.

Lui and Baldwin, "langid.py: an off-the-shelf language identification tool", 2012: an automaton reads the text byte by
byte and records which byte sequences occur, and naive Bayes over their counts gives the language. Here it reads all
texts at once, one byte of each per step. Probabilities equal py3langid's, except for the order of summation.
"""

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from py3langid.langid import MODEL_FILE, LanguageIdentifier
from scipy import sparse

from headrace.models.kernels.interface import Language

LONGEST = 1_000
"""Longer texts (bytes) are read one by one: their steps would be for few texts."""


class Identifier:
    """Detects languages."""

    def __init__(self) -> None:
        original = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        self._original = original
        self._next = np.asarray(original.tk_nextmove, dtype=np.int32)
        self._row = np.asarray(original.tk_row, dtype=np.int32) << 8
        self._feature = np.asarray(original.tk_output, dtype=np.int32)
        self._weights: NDArray[np.float32] = np.ascontiguousarray(original.nb_ptc, dtype=np.float32)
        self._prior: NDArray[np.float32] = np.asarray(original.nb_pc, dtype=np.float32)
        self._names: list[str] = list(original.nb_classes)
        first = {name: self._names.index(name) for name in self._names}
        self._twice = [(first[name], place) for place, name in enumerate(self._names) if place != first[name]]

    def languages(self, texts: Sequence[str]) -> list[Language]:
        """The most probable language of each text."""
        raw = [_encoded(text) for text in texts]
        short = [place for place, each in enumerate(raw) if 0 < len(each) <= LONGEST]
        found = dict(zip(short, self._of([raw[place] for place in short]), strict=True))
        return [found[place] if place in found else self._one(text) for place, text in enumerate(texts)]

    def _one(self, text: str) -> Language:
        name, probability = self._original.classify(text)
        return Language(str(name), float(probability))

    def _of(self, raw: list[bytes]) -> list[Language]:
        if not raw:
            return []
        counts = self._counted(raw)
        np.log1p(counts.data, out=counts.data)
        scores: NDArray[np.float32] = counts @ self._weights + self._prior
        # Like py3langid: without any sequence, all languages are equal, and length does not make a text more certain.
        scores[np.diff(counts.indptr) == 0] = 0.0
        scores /= np.sqrt(np.asarray([[len(each)] for each in raw], dtype=np.float32))
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        for place, again in self._twice:
            scores[:, place] += scores[:, again]
            scores[:, again] = 0.0
        best = scores.argmax(axis=1)
        return [Language(self._names[place], float(scores[row, place])) for row, place in enumerate(best.tolist())]

    def _counted(self, raw: list[bytes]) -> Any:
        """The count of each sequence in each text, as a sparse matrix."""
        lengths = np.asarray([len(each) for each in raw])
        order = np.argsort(-lengths, kind="stable")
        longest = int(lengths[order[0]])
        # One row per position; texts are ordered longest first, so those that have not ended are always the first ones.
        padded = b"".join(raw[row].ljust(longest, b"\0") for row in order.tolist())
        letters = np.ascontiguousarray(np.frombuffer(padded, dtype=np.uint8).reshape(len(raw), longest).T)
        unfinished = np.searchsorted(-lengths[order], -np.arange(longest), side="left")
        met = np.full((longest, len(raw)), -1, dtype=np.int32)
        state = np.zeros(len(raw), dtype=np.int32)
        for place, count in enumerate(unfinished.tolist()):
            state = self._next[self._row[state[:count]] + letters[place, :count]]
            met[place, :count] = self._feature[state]
        places, columns = np.nonzero(met >= 0)
        shape = (len(raw), len(self._weights))
        ones = np.ones(len(places), dtype=np.float32)
        return sparse.coo_matrix((ones, (order[columns], met[places, columns])), shape=shape).tocsr()


def _encoded(text: str) -> bytes:
    """Encode a text like py3langid."""
    text = text.lower() if text.isupper() else text
    return unicodedata.normalize("NFC", text).encode(errors="surrogatepass")
