"""The results of a training: the fitted estimators, and a card that describes them. Values only.

`headrace.models.training` creates both, the registry stores and loads them, and scorers use them. `encode` and `decode`
convert cards to and from JSON without loss of digits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from headrace.contracts.errors import Terminal

Name = Literal["behavior", "intent", "intent-shoppers", "sentiment"]
"""The models. `intent` is for the shop's own sessions, `intent-shoppers` for files in the Online Shoppers format."""
NAMES: tuple[Name, ...] = get_args(Name)

Fitted = dict[str, Any]
"""Fitted scikit-learn estimators by their part in the model, such as `classifier`; skops stores and loads them."""


class Rejected(Terminal):
    """A training or a model that is rejected, with the reason: too little data, too old, or of one class."""


class Measure(Struct, frozen=True):
    """A value with its 95% interval (bootstrap over groups of rows: customers, visitors, texts)."""

    value: float
    low: float
    high: float


class Bin(Struct, frozen=True):
    """One point of a calibration curve: mean predicted probability, observed frequency, and number of rows."""

    probability: float
    observed: float
    rows: int


class Report(Struct, frozen=True):
    """Metrics of a model on a window that it was not trained on. `by_source` has those of parts of the window."""

    model: dict[str, Measure]
    baselines: dict[str, dict[str, Measure]]
    rows: int
    positive_rate: float
    calibration: list[Bin]
    by_source: dict[str, dict[str, Measure]] = {}
    further: dict[str, dict[str, Measure]] = {}
    """Metrics of the model's other predictions, such as the expected spend."""

    def figures(self) -> dict[str, Any]:
        """The report as the command line prints it: values without intervals."""
        parts = {"by_source": self.by_source, "further": self.further}
        return {
            "model": _values(self.model),
            "baselines": {name: _values(measures) for name, measures in self.baselines.items()},
            "rows": self.rows,
            "positive_rate": self.positive_rate,
        } | {name: {key: _values(each) for key, each in part.items()} for name, part in parts.items() if part}


class Span(Struct, frozen=True):
    """A range of time, both ends included, and its number of rows. `end` includes the time that labels look ahead."""

    start: datetime
    end: datetime
    rows: int


class FrameRecord(Struct, frozen=True):
    """A stored training frame: a Parquet file, its SHA-256, and the warehouse snapshot that it was read from."""

    path: str
    sha256: str
    rows: int
    as_of: datetime
    snapshot: int | None = None


class Card(Struct, frozen=True):
    """The description of a model.

    `report` evaluates the estimators fitted on `training` alone on the window `evaluation`, which is later by a gap as
    long as the label. The estimators that score are then fitted with the same parameters on `serving`, which is both.
    `predictions_sha256` is the hash of the former's predictions on `evaluation`; a reproduced training must match it.
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
    """A model. `serving` scores; `judged` is evaluated in the report and compared with later challengers."""

    card: Card
    serving: Fitted
    judged: Fitted


def encode(card: Card) -> bytes:
    return msgspec.json.encode(card)


def decode(raw: bytes) -> Card:
    return msgspec.json.decode(raw, type=Card)


def named(name: str) -> Name:
    """The name, if it is one of the models'.

    Raises:
        Terminal: there is no such model.
    """
    if name not in NAMES:
        raise Terminal(f"There is no model {name}.", remedy=f"There are: {', '.join(NAMES)}.")
    return name


def _values(measures: Mapping[str, Measure]) -> dict[str, float]:
    return {name: measure.value for name, measure in measures.items()}
