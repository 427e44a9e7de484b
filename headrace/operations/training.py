"""Training from the warehouse to the registry, in steps, for Dagster's assets and the command line.

Frames come from `warehouse`, everything else from `models`; this module only connects the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.contracts import packages
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.models.artifact import NAMES, Name, Trained
from headrace.warehouse.lake import Lake

if TYPE_CHECKING:
    from headrace.models.comparison import Verdict
    from headrace.models.drift import Drift
    from headrace.models.frames import Frame
    from headrace.models.registry.store import Registry, Version
    from headrace.warehouse.frames import Rows

# scikit-learn, polars and MLflow are imported in the functions: Dagster's code server loads this module permanently
# and does not need them.

CASES: Mapping[Name, str] = {"behavior": "ecommerce", "intent": "ecommerce", "sentiment": "data_science"}
"""The case that each model belongs to."""
_TABLES: Mapping[Name, tuple[str, ...]] = {
    "behavior": ("core.orders",),
    "intent": ("core.web_events", "core.web_sessions"),
    "sentiment": ("core.posts", "core.feedback"),
}
_ACTIVE = {package.name for package in packages.active()}
SOURCES: Mapping[Name, tuple[str, ...]] = {name: tables for name, tables in _TABLES.items() if CASES[name] in _ACTIVE}
"""The models of active cases that are trained from the warehouse, and their input tables."""
TIMES: Mapping[Name, str] = {"behavior": "cutoff", "intent": "cutoff", "sentiment": "authored_at"}
"""The column with a row's time."""


@dataclass(frozen=True)
class Training:
    """The result of a training run."""

    frame: "Frame"
    trained: Trained
    version: "Version"
    verdict: "Verdict"


def make_frame(settings: Settings, lake: Lake, model: str, until: datetime | None = None) -> "Frame":
    """Read a model's frame from the current warehouse and store it. With `until`, later data is ignored.

    Raises:
        Terminal: there is no such model, or its tables are not built or empty.
    """
    from headrace.models import frames

    name = _trained_here(model)
    rows = _rows(lake, name, until)
    return frames.save(settings.frames_root, name, rows.table, as_of=rows.as_of, snapshot=rows.snapshot)


def train(settings: Settings, lake: Lake, model: str) -> Training:
    """Build the frame, train, register, and compare the new version with the champion.

    Raises:
        Rejected: the data does not allow a training, and why.
    """
    from headrace.models import training
    from headrace.models.registry.store import Registry

    frame = make_frame(settings, lake, model)
    trained = training.train(frame)
    return enrol(Registry.open(settings), lake, frame, trained)


def train_on_sessions(settings: Settings, path: Path) -> Training:
    """The same for `intent-shoppers`, from a file in the Online Shoppers format instead of the warehouse.

    Raises:
        Terminal: the file has another format.
        Rejected: the data does not allow a training, and why.
    """
    from headrace.models import frames, training
    from headrace.models.registry import promotion
    from headrace.models.registry.store import Registry

    shoppers = import_module("headrace.cases.ecommerce.models.intent.shoppers")
    table = shoppers.read(path)
    frame = frames.save(settings.frames_root, "intent-shoppers", table, as_of=shoppers.as_of(table), snapshot=None)
    trained = training.train(frame)
    registry = Registry.open(settings)
    version = registry.register(trained)
    verdict = promotion.consider(registry, version, frame)
    return Training(frame, trained, registry.version(version.model, version.number), verdict)


def enrol(registry: "Registry", lake: Lake, frame: "Frame", trained: Trained) -> Training:
    """Register the trained model, and compare it with the champion."""
    from headrace.models.registry import promotion

    version = registry.register(trained)
    verdict = promotion.consider(registry, version, frame, newest(lake, frame.name))
    return Training(frame, trained, registry.version(version.model, version.number), verdict)


def newest(lake: Lake, model: Name) -> datetime:
    """The time of the newest event in the warehouse for a model."""
    from headrace.warehouse import frames

    return frames.latest(lake, SOURCES[model])


def drift_of(settings: Settings, lake: Lake, model: Name) -> "list[Drift]":
    """The data drift since the champion was evaluated; empty without a champion, or with too few new rows."""
    import polars as pl

    from headrace.models import drift, frames, training
    from headrace.models.registry.store import Registry
    from headrace.warehouse.frames import behavior_now

    registry = Registry.open(settings)
    champion = registry.champion(model)
    if champion is None:
        return []
    card = registry.card(champion)
    frame = frames.load(Path(card.frame.path), model, card.frame.sha256)
    if model == "behavior":
        current = behavior_now(lake).table
    else:
        current = _rows(lake, model, None).table.filter(pl.col(TIMES[model]) > card.frame.as_of)
    reference = training.split(frame).evaluation
    return drift.since_judged(card, registry.load(champion, "judged"), reference, current)


def _rows(lake: Lake, model: Name, until: datetime | None) -> "Rows":
    from headrace.warehouse import frames

    made = {"behavior": frames.behavior, "intent": frames.intent, "sentiment": frames.sentiment}
    return made[model](lake, until)


def _trained_here(model: str) -> Name:
    for name in SOURCES:
        if name == model:
            return name
    known = model in NAMES
    raise Terminal(
        f"{model} is not trained from the warehouse." if known else f"There is no model {model}.",
        remedy="Train it from a file (docs/explanation/models.md)."
        if known
        else f"Available models: {', '.join(SOURCES)}.",
    )
