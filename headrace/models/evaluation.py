"""Evaluation of a champion on rows that it was not trained on.

`headrace.operations.windows` reads the rows from files.
"""

from datetime import datetime
from importlib import import_module
from pathlib import Path

import polars as pl

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.models import frames, training
from headrace.models.artifact import Name, Rejected
from headrace.models.registry.store import Registry
from headrace.models.training import Evaluation

MOST_SEEN = 0.5
"""A larger share of known rows means that the file is the training set; some sessions are equal by chance."""


def evaluate(settings: Settings, name: Name, window: pl.DataFrame) -> tuple[str, Evaluation]:
    """Evaluate the champion on a window, with baselines fitted on its training rows; returns its name too.

    Raises:
        Terminal: there is no champion, or its frame or file is missing.
        Rejected: it was trained on this window, or the window has only one outcome.
    """
    registry = Registry.open(settings)
    champion = registry.champion(name)
    if champion is None:
        how = f"headrace train {name}" if name != "intent-shoppers" else "headrace train intent --shoppers FILE"
        raise Terminal(f"There is no champion of {name} yet.", remedy=f"Train one: `{how}`.")
    card = registry.card(champion)
    frame = frames.load(Path(card.frame.path), name, card.frame.sha256)
    window = unseen(name, card.serving.end, frame.table, window)
    learned = training.split(frame).serving
    fitted = registry.load(champion, "serving")
    return champion.name, training.evaluate(name, fitted, window, training=learned)


def unseen(name: Name, until: datetime, learned: pl.DataFrame, window: pl.DataFrame) -> pl.DataFrame:
    """The window without the rows that a model was trained on: `learned`, whose labels reach `until`.

    Raises:
        Rejected: it was trained on the window itself.
    """
    remedy = "Use later data, or data that it was not trained on."
    if name == "behavior":
        cutoff = window["cutoff"].min()
        if isinstance(cutoff, datetime) and cutoff < until:
            raise Rejected(
                f"The champion was trained on data up to {until:%Y-%m-%d}: it cannot be evaluated from"
                f" {cutoff:%Y-%m-%d} on.",
                remedy=remedy,
            )
        return window
    if name == "sentiment":
        texts = import_module("headrace.cases.data_science.models.sentiment.learner")
        left = window.join(texts.prepared(learned).select(texts.READ), on=texts.READ, how="anti", maintain_order="left")
        if left.is_empty():
            raise Rejected("The champion was trained on every text of this file.", remedy=remedy)
        return left
    columns = [column for column in learned.columns if column in window.columns and column != "session"]
    seen = window.join(learned.select(columns).unique(), on=columns, how="semi").height
    if seen > MOST_SEEN * window.height:
        raise Rejected(f"The champion was trained on {seen} of the file's {window.height} sessions.", remedy=remedy)
    return window
