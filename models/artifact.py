"""What a training gives: the fitted estimators, and the card that says everything else about them. Values only.

The registry stores both and loads them again; `models.training` makes them; scorers read them. Cards are JSON by
`encode` and `decode`, to the last digit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from contracts.errors import Terminal

Name = Literal["behavior", "intent", "intent-shoppers", "sentiment"]
"""The models. `intent` is of the shop's own sessions, `intent-shoppers` of files in the Online Shoppers form."""
NAMES: tuple[Name, ...] = get_args(Name)

Fitted = dict[str, Any]
"""Fitted scikit-learn estimators by their part in the model, such as `classifier`: what skops stores and loads."""


class Refused(Terminal):
    """A training that was not done, or a model that was not taken, and why: data too few, too old, of one class."""


class Measure(Struct, frozen=True):
    """A figure with its interval of 95% (bootstrap over what the rows are drawn by: customers, visitors, texts)."""

    value: float
    low: float
    high: float


class Bin(Struct, frozen=True):
    """One point of a calibration curve: mean probability said, share that came true, over so many rows."""

    probability: float
    observed: float
    rows: int


class Report(Struct, frozen=True):
    """How a model did on a window that it had not seen. `by_source` is the same for parts of the window."""

    model: dict[str, Measure]
    baselines: dict[str, dict[str, Measure]]
    rows: int
    positive_rate: float
    calibration: list[Bin]
    by_source: dict[str, dict[str, Measure]] = {}
    further: dict[str, dict[str, Measure]] = {}
    """Figures of what else the model says, such as the expected spend."""

    def figures(self) -> dict[str, Any]:
        """The form that the command line prints: figures without their intervals."""
        parts = {"by_source": self.by_source, "further": self.further}
        return {
            "model": _values(self.model),
            "baselines": {name: _values(measures) for name, measures in self.baselines.items()},
            "rows": self.rows,
            "positive_rate": self.positive_rate,
        } | {name: {key: _values(each) for key, each in part.items()} for name, part in parts.items() if part}


class Span(Struct, frozen=True):
    """A range of time, both ends included, and how many rows are in it. `end` includes the time labels look ahead."""

    start: datetime
    end: datetime
    rows: int


class FrameRecord(Struct, frozen=True):
    """The training frame as it was kept: a Parquet file, its SHA-256, and the warehouse's snapshot it was read at."""

    path: str
    sha256: str
    rows: int
    as_of: datetime
    snapshot: int | None = None


class Card(Struct, frozen=True):
    """Everything about a model but its estimators.

    `report` is about the estimators fitted on `training` alone, on `evaluation`, which is later by a gap as long as
    the label; the ones that score were then fitted by the same parameters on `serving`, which is both.
    `predictions_sha256` is over what the former say of `evaluation`: a repeated training is the same if it is.
    """

    name: Name
    columns: tuple[str, ...]
    cutoff: str
    classes: tuple[str, ...]
    parameters: dict[str, Any]
    seed: int
    training: Span
    evaluation: Span
    serving: Span
    frame: FrameRecord
    code: str
    libraries: dict[str, str]
    report: Report
    predictions_sha256: str


@dataclass(frozen=True)
class Trained:
    """A model. `serving` scores; `judged` is what the report is about, and what a later rival is compared with."""

    card: Card
    serving: Fitted
    judged: Fitted


def encode(card: Card) -> bytes:
    return msgspec.json.encode(card)


def decode(raw: bytes) -> Card:
    return msgspec.json.decode(raw, type=Card)


def named(name: str) -> Name:
    """The name as one of the models'.

    Raises:
        Terminal: there is no such model.
    """
    if name not in NAMES:
        raise Terminal(f"There is no model {name}.", remedy=f"There are: {', '.join(NAMES)}.")
    return name


def _values(measures: Mapping[str, Measure]) -> dict[str, float]:
    return {name: measure.value for name, measure in measures.items()}
