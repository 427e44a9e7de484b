"""The sentiment model: negative, neutral or positive, with a separate part each for posts and feedback.

A frame has a row for each text that a person has labeled: `subject` (post or feedback), `subject_id`, `source`,
`authored_at`, `text`, `language` as declared, `label`. Texts are read like the scorer reads them
(`headrace.cases.data_science.models.sentiment.text`). Unreadable and duplicate texts are left out.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headrace.cases.data_science.labels import Label
from headrace.cases.data_science.models.sentiment import domain, lexicon
from headrace.cases.data_science.models.sentiment.domain import Labeled
from headrace.cases.data_science.models.sentiment.text import read_all
from headrace.models.artifact import Fitted, Measure, Name, Rejected, Span
from headrace.models.learner import Probabilities, Split

DOMAINS = ("post", "feedback")
LATEST = 0.2
MIN_ROWS, MIN_OF_A_CLASS = 200, 20
READ, _LEXICON = "_read", "_lexicon"


class SentimentLearner:
    """Both domains; a domain without enough texts is fitted on the texts of both."""

    name: Name = "sentiment"
    classes: tuple[str, ...] = get_args(Label)
    cutoff = "The text alone."
    parameters: Mapping[str, Any] = {
        "words": domain.WORDS,
        "characters": domain.CHARACTERS,
        "regression": domain.REGRESSION,
        "weights": domain.WEIGHTS,
    }

    def columns(self, table: pl.DataFrame) -> tuple[str, ...]:  # noqa: ARG002
        return ("words", "characters", *lexicon.COLUMNS)

    def split(self, table: pl.DataFrame) -> Split:
        """The latest fifth of the texts, and those before. Texts of the same time are ordered by hash."""
        table = prepared(table)
        _require(table)
        at = int((1.0 - LATEST) * table.height)
        training, evaluation = table[:at], table[at:]
        for part in (training, evaluation):
            _require(part)
        return Split(training, evaluation, table, (_span(training), _span(evaluation), _span(table)))

    def fit(self, table: pl.DataFrame, seed: int) -> Fitted:
        table = prepared(table)
        everything = self._texts(table)
        fitted: Fitted = {}
        for name in DOMAINS:
            is_own = (table["subject"] == name).to_numpy()
            own, other = (everything.take(np.flatnonzero(rows)) for rows in (is_own, ~is_own))
            enough = len(own) >= MIN_ROWS and np.bincount(own.labels, minlength=3).min() >= MIN_OF_A_CLASS
            if enough or name == DOMAINS[-1]:
                nothing = everything.take(np.arange(0))
                fitted[name] = domain.fit(own, other, seed) if enough else domain.fit(everything, nothing, seed)
        return fitted

    def predict(self, fitted: Fitted, table: pl.DataFrame) -> Probabilities:
        texts = table[READ if READ in table.columns else "text"].to_list()
        subjects = table["subject"].to_list() if "subject" in table.columns else [DOMAINS[0]] * table.height
        return self.predict_texts(fitted, texts, subjects, _lexicon(table, texts))

    def predict_texts(
        self, fitted: Fitted, texts: Sequence[str], subjects: Sequence[str], values: lexicon.Scores | None = None
    ) -> Probabilities:
        """Like `predict`, for texts that are cleaned; `values` are the lexicon's scores, if they are known."""
        if values is None:
            values = lexicon.scores(texts)
        predicted = np.empty((len(texts), len(self.classes)))
        for name in DOMAINS:
            rows = [row for row, subject in enumerate(subjects) if subject == name]
            if rows:
                part = fitted.get(name) or next(iter(fitted.values()))
                predicted[rows] = domain.predict(part, [texts[row] for row in rows], values[rows])
        return predicted

    def labels(self, table: pl.DataFrame) -> NDArray[np.int64]:
        codes = {label: number for number, label in enumerate(self.classes)}
        return table["label"].replace_strict(codes, return_dtype=pl.Int64).to_numpy()

    def groups(self, table: pl.DataFrame) -> NDArray[np.str_]:
        return table["subject_id"].to_numpy().astype(np.str_)

    def sources(self, table: pl.DataFrame) -> NDArray[np.str_] | None:
        return table["source"].to_numpy().astype(np.str_)

    def baselines(self, training: pl.DataFrame, evaluation: pl.DataFrame, seed: int) -> dict[str, Probabilities]:  # noqa: ARG002
        shares = np.bincount(self.labels(training), minlength=len(self.classes)) / training.height
        window = prepared(evaluation)
        return {
            "base_rate": np.tile(shares, (evaluation.height, 1)),
            "vader": lexicon.vader(_lexicon(window, window[READ].to_list())),
        }

    def further(self, table: pl.DataFrame, seed: int) -> dict[str, dict[str, Measure]]:  # noqa: ARG002
        return {}

    def _texts(self, table: pl.DataFrame) -> Labeled:
        texts = table[READ].to_list()
        return Labeled(texts, _lexicon(table, texts), self.labels(table))


def prepared(table: pl.DataFrame) -> pl.DataFrame:
    """The readable texts, cleaned and distinct, with VADER's scores, ordered by time and hash. Idempotent."""
    if READ in table.columns:
        return table
    seen = read_all(table.select("text", "language").iter_rows())
    kept = table.with_columns(
        pl.Series(READ, [None if each.unreadable else each.text for each in seen], dtype=pl.String)
    ).filter(pl.col(READ).is_not_null())
    kept = kept.with_columns(
        pl.Series("_hash", [hashlib.sha256(text.encode()).hexdigest() for text in kept[READ]], dtype=pl.String)
    ).sort("authored_at", "_hash", "subject_id")
    kept = kept.unique(READ, keep="first", maintain_order=True).drop("_hash")
    values = lexicon.scores(kept[READ].to_list())
    return kept.with_columns(pl.Series(_LEXICON, values.tolist(), dtype=pl.List(pl.Float64)))


def _lexicon(table: pl.DataFrame, texts: list[str]) -> lexicon.Scores:
    if _LEXICON not in table.columns:
        return lexicon.scores(texts)
    return np.asarray(table[_LEXICON].to_list(), dtype=np.float64).reshape(table.height, len(lexicon.COLUMNS))


def _require(part: pl.DataFrame) -> None:
    counts = {label: int((part["label"] == label).sum()) for label in get_args(Label)}
    if part.height < MIN_ROWS or min(counts.values()) < MIN_OF_A_CLASS:
        found = ", ".join(f"{count} {label}" for label, count in counts.items())
        raise Rejected(
            f"{part.height} readable texts ({found}) are too few for training or evaluation: it takes {MIN_ROWS}, with"
            f" {MIN_OF_A_CLASS} of each class; a fifth of all texts is held out.",
            remedy="Import labelled texts (`headrace ingest labelled`), or wait for more feedback with ratings.",
        )


def _span(table: pl.DataFrame) -> Span:
    first, last = table["authored_at"].min(), table["authored_at"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        raise TypeError("texts have times")
    return Span(first, last, table.height)


LEARNER = SentimentLearner()
