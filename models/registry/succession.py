"""Who becomes champion: a challenger that is better, one promoted by hand, or the former one again.

Each decision is made under the model's lock in PostgreSQL, from reading the champion to moving the alias, so that no
two overlap. Moving the alias is the one commit point: killed before it, the champion is the old one, and killed after
it the new one, with its place in the history. A reason is written before the promotion that it explains, so that no
champion is without one; written for a promotion that did not happen, it is replaced by the next decision.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from contracts.errors import Terminal
from models import promotion, training
from models.artifact import Card, Name, Refused
from models.frames import Frame
from models.promotion import Verdict
from models.registry import champions
from models.registry.store import Registry, Version

COLD_START: Mapping[Name, str] = {
    "behavior": "rfm_rule",
    "intent": "base_rate",
    "intent-shoppers": "base_rate",
    "sentiment": "vader",
}
"""What scores until there is a champion, by its name among the baselines: the first champion has to beat it."""


def consider(registry: Registry, version: Version, frame: Frame, newest: datetime | None = None) -> Verdict:
    """Compare a version with the champion on its own frame's latest window; promote or refuse it, and write down why.

    `newest` is the time of the newest event that the warehouse holds.

    Raises:
        Terminal: the version is the champion, the frame is not its own, or a model file is damaged.
    """
    card = registry.card(version)
    if frame.record.sha256 != card.frame.sha256:
        raise Terminal(f"That is not the frame of {version.name}.", remedy=f"Give {card.frame.path}.")
    with champions.held(registry.settings.conninfo(role=champions.ROLE), version.model):
        champion = registry.champion(version.model)
        if champion is not None and champion.number == version.number:
            raise Terminal(f"{version.name} is the champion already.", remedy="There is nothing to do.")
        verdict = _verdict(registry, version, card, champion, frame, newest)
        encoded = msgspec.json.encode(verdict).decode()
        registry.note(version, "promoted" if verdict.promoted else "refused", verdict.reason, encoded)
        if verdict.promoted:
            _require_whole(registry, version)
            registry.crown(version)
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
        registry.crown(version)


def rollback(registry: Registry, model: str, reason: str) -> Version:
    """Make the former champion the champion again; returns it.

    Raises:
        Terminal: there was none before, or its file is damaged.
    """
    conninfo = registry.settings.conninfo(role=champions.ROLE)
    with champions.held(conninfo, model):
        left = registry.champion(model)
        number = champions.former(champions.reigns(conninfo, model))
        if number is None:
            raise Terminal(
                f"There is no former champion of {model} to go back to.",
                remedy="`headrace models list` shows the versions; promote one of them.",
            )
        restored = registry.version(model, number)
        _require_whole(registry, restored)
        registry.crown(restored)
        if left is not None:
            registry.note(left, "refused", f"rolled back: {reason}")
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
    except Refused as refused:
        return Verdict(False, refused.message, rival_name)
    rival_card = registry.card(champion) if champion else None
    if rival_card is not None and rival_card.columns != card.columns:
        reason = f"cannot be compared: {rival_name} reads other features; promote by hand, or not"
        return Verdict(False, reason, rival_name)
    objection = promotion.objection(card, rival_card, judged, newest)
    if objection is not None:
        return Verdict(False, objection, rival_name, len(judged.labels), card.evaluation)
    if champion is not None:
        rival = training.score(card.name, registry.load(champion, "judged"), parts.evaluation)
        return promotion.compare(card, judged, rival, rival_name)
    others = training.learner(card.name).baselines(parts.training, parts.evaluation, card.seed)
    return promotion.compare(card, judged, others[rival_name], rival_name)


def _require_whole(registry: Registry, version: Version) -> None:
    """A version whose file cannot be loaded must not be what scorers are told to take."""
    registry.load(version, "serving")
