"""Training and evaluation of any model, by its name. The `Learner` of a model defines what is specific to it.

    frame  = headrace.models.frames.save(root, name, table, as_of=…, snapshot=…)
    model  = train(frame)                     raises Rejected, with the reason
    report = evaluate(model.card.name, model.serving, table).report
    again  = reproduce(model.card, frame)     the same to the last bit, or Terminal

To compare two models, `evaluate` their `judged` estimators on `split(frame).evaluation` of the later one's frame, row
by row (`Outcomes`), over the same `metrics.resamples`.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from headrace.contracts.errors import Terminal
from headrace.models import metrics
from headrace.models.artifact import Card, Fitted, Name, Rejected, Report, Trained
from headrace.models.frames import Frame
from headrace.models.learner import Learner, Probabilities, Split
from headrace.models.threads import one_thread

SEED = 20_111_201
LIBRARIES = ("scikit-learn", "numpy", "scipy")
MIN_SOURCE_ROWS = 50
"""Fewer rows of a source are not reported on their own."""
_LEARNERS: dict[Name, tuple[str, str]] = {
    "behavior": ("headrace.cases.ecommerce.models.behavior.learner", "LEARNER"),
    "intent": ("headrace.cases.ecommerce.models.intent.learner", "INTENT"),
    "intent-shoppers": ("headrace.cases.ecommerce.models.intent.learner", "SHOPPERS"),
    "sentiment": ("headrace.cases.data_science.models.sentiment.learner", "LEARNER"),
}


@dataclass(frozen=True)
class Outcomes:
    """Predictions and outcomes of a window, row by row. `keys` are the groups by which rows are resampled."""

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: Probabilities
    keys: NDArray[np.str_]


@dataclass(frozen=True)
class Evaluation:
    """A report and the outcomes that it is computed from."""

    report: Report
    outcomes: Outcomes


def learner(name: Name) -> Learner:
    """The model of this name. Importing one imports scikit-learn, but not the other models."""
    module, learner_name = _LEARNERS[name]
    return getattr(import_module(module), learner_name)


def split(frame: Frame) -> Split:
    """The rows for training and the later ones for evaluation. Raises Rejected if there are too few."""
    return learner(frame.name).split(frame.table)


def train(frame: Frame, *, seed: int = SEED, newer_than: datetime | None = None) -> Trained:
    """Fit on the earlier rows, evaluate on the later ones, then fit on all rows for serving.

    Raises:
        Rejected: too few rows, one class, no room for an evaluation window, or nothing later than `newer_than`.
    """
    if newer_than is not None and frame.record.as_of <= newer_than:
        raise Rejected(
            f"The data ends at {frame.record.as_of:%Y-%m-%d %H:%M} and holds nothing after"
            f" {newer_than:%Y-%m-%d %H:%M}.",
            remedy="Wait for new data, or check why there is none (`headrace status`).",
        )
    model = learner(frame.name)
    with one_thread():
        parts = model.split(frame.table)
        judged = model.fit(parts.training, seed)
        others = model.baselines(parts.training, parts.evaluation, seed)
        evaluation = _evaluation(model, model.predict(judged, parts.evaluation), others, parts.evaluation, seed)
        report = msgspec.structs.replace(evaluation.report, further=model.further(parts.serving, seed))
        serving = model.fit(parts.serving, seed)
    card = Card(
        name=frame.name,
        columns=model.columns(frame.table),
        cutoff=model.cutoff,
        classes=model.classes,
        parameters=dict(model.parameters),
        seed=seed,
        training=parts.spans[0],
        evaluation=parts.spans[1],
        serving=parts.spans[2],
        frame=frame.record,
        code=code_version(frame.name),
        libraries={name: version(name) for name in LIBRARIES},
        report=report,
        predictions_sha256=_digest(evaluation.outcomes.probabilities),
    )
    return Trained(card, serving, judged)


def reproduce(card: Card, frame: Frame) -> Trained:
    """Train once more from the frame that a card names.

    Raises:
        Terminal: the result differs from the card, or the frame is a different one.
    """
    if frame.record.sha256 != card.frame.sha256:
        raise Terminal("This is a different training frame.", remedy=f"Use {card.frame.path}.")
    again = train(frame, seed=card.seed)
    if again.card.predictions_sha256 != card.predictions_sha256:
        changed = {name: was for name, was in card.libraries.items() if version(name) != was}
        changed |= {"code": card.code} if card.code != again.card.code else {}
        raise Terminal(
            "Trained again from the same frame, the model predicts something different.",
            remedy=f"Use the versions that it was trained with: {changed or 'all are the same, so report this'}.",
        )
    return again


def evaluate(
    name: Name, fitted: Fitted, window: pl.DataFrame, *, training: pl.DataFrame | None = None, seed: int = SEED
) -> Evaluation:
    """Evaluate estimators on a window like their frame; with `training`, also baselines fitted on those rows.

    Raises:
        Rejected: the window is empty or of one class.
    """
    model = learner(name)
    if len(np.unique(model.labels(window))) < 2:
        raise Rejected(
            f"All {window.height} rows have the same outcome, so there is nothing to evaluate.",
            remedy="Use data with more than one outcome.",
        )
    with one_thread():
        others = {} if training is None else model.baselines(training, window, seed)
        return _evaluation(model, model.predict(fitted, window), others, window, seed)


def score(name: Name, fitted: Fitted, table: pl.DataFrame) -> Probabilities:
    """Probabilities of the classes for each row; labels are not read."""
    with one_thread():
        return learner(name).predict(fitted, table)


@cache
def code_version(name: Name) -> str:
    """The version of Headrace and a hash of what a training depends on: `headrace.models` and the model's folder."""
    module, _ = _LEARNERS[name]
    found = find_spec(module)
    if found is None or found.origin is None:
        raise Terminal(f"The model {name} has no source files.", remedy="Install Headrace again.")
    digest = hashlib.sha256()
    for folder in (Path(__file__).parent, Path(found.origin).parent):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{version('headrace')}+{digest.hexdigest()[:12]}"


def _evaluation(
    model: Learner, probabilities: Probabilities, others: dict[str, Probabilities], window: pl.DataFrame, seed: int
) -> Evaluation:
    labels, groups, sources = model.labels(window), model.groups(window), model.sources(window)
    kinds = metrics.metrics_for(len(model.classes))
    samples = metrics.resamples(groups, seed)
    parts = {} if sources is None else {str(name): sources == name for name in np.unique(sources)}
    report = Report(
        model=metrics.measured(kinds, labels, probabilities, samples),
        baselines={name: metrics.measured(kinds, labels, other, samples) for name, other in others.items()},
        rows=window.height,
        positive_rate=float(np.mean(labels == len(model.classes) - 1)),
        calibration=metrics.calibration(labels, probabilities),
        by_source={
            name: metrics.measured(kinds, labels[rows], probabilities[rows], metrics.resamples(groups[rows], seed))
            for name, rows in parts.items()
            if len(parts) > 1 and rows.sum() >= MIN_SOURCE_ROWS
        },
    )
    return Evaluation(report, Outcomes(model.classes, labels, probabilities, groups))


def _digest(probabilities: Probabilities) -> str:
    return hashlib.sha256(np.ascontiguousarray(probabilities).tobytes()).hexdigest()
