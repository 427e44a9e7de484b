"""Permutation importance: the log loss added by shuffling the values of a feature (Breiman, 2001)."""

import numpy as np
import polars as pl

from headrace.models import metrics, training
from headrace.models.artifact import Card, Fitted

SHUFFLES, SEED = 3, 20_111_210


def importance(card: Card, fitted: Fitted, window: pl.DataFrame) -> dict[str, float]:
    """Log loss added by shuffling each feature, the mean of `SHUFFLES`; empty for a model of text alone."""
    columns = [name for name in card.columns if window.schema.get(name) not in (None, pl.String)]
    labels = training.learner(card.name).labels(window)
    before = metrics.log_loss(labels, training.score(card.name, fitted, window))
    random = np.random.default_rng(SEED)
    found: dict[str, float] = {}
    for name in columns:
        shuffled = [
            window.with_columns(window[name].gather(random.permutation(window.height)).alias(name))
            for _ in range(SHUFFLES)
        ]
        losses = [metrics.log_loss(labels, training.score(card.name, fitted, each)) for each in shuffled]
        found[name] = float(np.mean(losses)) - before
    return found
