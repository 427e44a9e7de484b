"""Promotion: of a better challenger, of a version by hand, or of the former champion by a rollback.

Each decision holds the model's lock in PostgreSQL, from reading the champion to moving the alias, so decisions do not
overlap. Moving the alias is the one commit point: before it, the old version is champion; after it, the new one, with
its entry in the history. The reason is recorded before the promotion, so every champion has one. If the process is
killed in between, the next decision replaces the reason.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from headrace.contracts.errors import Terminal
from headrace.models import comparison, training
from headrace.models.artifact import Card, Name, Rejected
from headrace.models.comparison import Verdict
from headrace.models.frames import Frame
from headrace.models.registry import champions
from headrace.models.registry.store import Registry, Version

COLD_START: Mapping[Name, str] = {
    "behavior": "rfm_rule",
    "intent": "base_rate",
    "intent-shoppers": "base_rate",
    "sentiment": "vader",
}
"""The scorer until there is a champion, by its name among the baselines: the first champion has to beat it."""


def consider(registry: Registry, version: Version, frame: Frame, newest: datetime | None = None) -> Verdict:
    """Compare a version with the champion on its own frame's latest window; promote or reject it, and record why.

    `newest` is the time of the latest event in the warehouse.

    Raises:
        Terminal: the version is the champion, the frame is not its own, or a model file is damaged.
    """
    card = registry.card(version)
    if frame.record.sha256 != card.frame.sha256:
        raise Terminal(f"This is not the training frame of {version.name}.", remedy=f"Use {card.frame.path}.")
    with champions.held(registry.settings.conninfo(role=champions.ROLE), version.model):
        champion = registry.champion(version.model)
        if champion is not None and champion.number == version.number:
            raise Terminal(f"{version.name} is the champion already.", remedy="There is nothing to do.")
        verdict = _verdict(registry, version, card, champion, frame, newest)
        encoded = msgspec.json.encode(verdict).decode()
        registry.note(version, "promoted" if verdict.promoted else "rejected", verdict.reason, encoded)
        if verdict.promoted:
            _require_whole(registry, version)
            registry.set_champion(version)
    return verdict


def promote(registry: Registry, version: Version, reason: str) -> None:
    """Make a version the champion without comparison.

    Raises:
        Terminal: it is the champion already, or its file is damaged.
    """
    with champions.held(registry.settings.conninfo(role=champions.ROLE), version.model):
        champion = registry.champion(version.model)
        if champion is not None and champion.number == version.number:
            raise Terminal(f"{version.name} is the champion already.", remedy="There is nothing to do.")
        _require_whole(registry, version)
        registry.note(version, "promoted", f"by hand: {reason}")
        registry.set_champion(version)


def rollback(registry: Registry, model: str, reason: str) -> Version:
    """Make the former champion the champion again; returns it.

    Raises:
        Terminal: there was none before, or its file is damaged.
    """
    conninfo = registry.settings.conninfo(role=champions.ROLE)
    with champions.held(conninfo, model):
        replaced = registry.champion(model)
        number = champions.former(champions.alias_changes(conninfo, model))
        if number is None:
            raise Terminal(
                f"There is no former champion of {model} to go back to.",
                remedy="`headrace models list` shows the versions; promote one of them.",
            )
        restored = registry.version(model, number)
        _require_whole(registry, restored)
        registry.set_champion(restored)
        if replaced is not None:
            registry.note(replaced, "rejected", f"rolled back: {reason}")
    return registry.version(model, number)


def _verdict(
    registry: Registry,
    version: Version,
    card: Card,
    champion: Version | None,
    frame: Frame,
    newest: datetime | None,
) -> Verdict:
    rival_name = champion.name if champion else COLD_START[card.name]
    try:
        parts = training.split(frame)
        judged = training.evaluate(card.name, registry.load(version, "judged"), parts.evaluation).outcomes
    except Rejected as rejected:
        return Verdict(False, rejected.message, rival_name)
    rival_card = registry.card(champion) if champion else None
    if rival_card is not None and rival_card.columns != card.columns:
        reason = f"cannot be compared: {rival_name} reads other features; promote by hand, or not"
        return Verdict(False, reason, rival_name)
    objection = comparison.objection(card, rival_card, judged, newest)
    if objection is not None:
        return Verdict(False, objection, rival_name, len(judged.labels), card.evaluation)
    if champion is not None:
        rival = training.score(card.name, registry.load(champion, "judged"), parts.evaluation)
        return comparison.compare(card, judged, rival, rival_name)
    others = training.learner(card.name).baselines(parts.training, parts.evaluation, card.seed)
    return comparison.compare(card, judged, others[rival_name], rival_name)


def _require_whole(registry: Registry, version: Version) -> None:
    """Raise `files.InvalidModelFile` if the version cannot be loaded: it must not become champion."""
    registry.load(version, "serving")
