"""Champion and challenger on the real registry, and the running scorer that follows them."""

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from headrace.cases.ecommerce.processors.behavior_scorer import BehaviorScorer
from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.contracts.decoding import decode, encode
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.models import frames, training
from headrace.models.registry import champions, files, promotion
from headrace.models.registry.store import Registry
from headrace.streaming.runtime import clients
from tests.integration.challengers import registered
from tests.integration.landers import environment
from tests.integration.processor_instances import read_all
from tests.integration.samples import at, order

PROMISED_SECONDS = 30.0
START_SECONDS = 60.0


class Scores:
    """Sends an order every second and sees by which model the latest one was scored."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = clients.producer(settings)
        self._sent = 0

    def wait_for(self, version: str, seconds: float = PROMISED_SECONDS) -> CustomerBehavior:
        """The first score by this model; fails where none comes in time."""
        deadline = time.monotonic() + seconds
        latest = None
        while time.monotonic() < deadline:
            self._sent += 1
            self._producer.produce("orders", encode(order(str(self._sent), ("A", 1, "2"), time=at(self._sent))), b"C1")
            assert self._producer.flush(20) == 0
            time.sleep(1)
            rows = read_all(self._settings, BehaviorScorer.output, TOPICS[BehaviorScorer.output].partitions)
            scored = [decode(CustomerBehavior, value) for _, _, value in rows if value is not None]
            latest = max(scored, key=lambda each: each.orders, default=None)
            if latest is not None and latest.model_version == version:
                return latest
        raise AssertionError(f"no score by {version} in {seconds:.0f} s, the latest is by {latest}")


def _past_champions(settings: Settings) -> list[int | None]:
    changes = champions.alias_changes(settings.conninfo(role=champions.ROLE), "behavior")
    return [change.version for change in changes]


def test_a_running_scorer_follows_promotion_and_rollback_and_rejects_a_worse_one(fresh: Settings) -> None:
    command = [sys.executable, "-m", "headrace", "processor", "run", BehaviorScorer.name]
    scorer = subprocess.Popen(command, env=environment(fresh))
    try:
        scores = Scores(fresh)
        scores.wait_for("rfm-rule", START_SECONDS)
        registry = Registry.open(fresh)

        first, frame = registered(registry, honest=0.35)
        assert promotion.consider(registry, first, frame).promoted, "better than the rule"
        scored = scores.wait_for("behavior-1")
        assert scored.feature_cutoff == scored.event_time

        worse, frame = registered(registry, honest=0.0)
        verdict = promotion.consider(registry, worse, frame)
        assert not verdict.promoted
        assert verdict.reason.startswith("not better than behavior-1 by more than chance")

        better, frame = registered(registry, honest=1.0)
        verdict = promotion.consider(registry, better, frame)
        assert verdict.promoted
        assert verdict.rival == "behavior-1"
        scores.wait_for("behavior-3")

        assert promotion.rollback(registry, "behavior", "a test").number == 1
        scores.wait_for("behavior-1")
        assert scorer.poll() is None, "without a restart"
    finally:
        scorer.terminate()
        assert scorer.wait(30) == 0
    assert [(each.number, each.decision) for each in registry.versions("behavior")] == [
        (3, "rejected"),
        (2, "rejected"),
        (1, "promoted"),
    ]
    assert _past_champions(fresh) == [1, 3, 1]


def test_a_version_keeps_its_record_and_is_reproduced_from_its_frame_to_the_last_bit(fresh: Settings) -> None:
    registry = Registry.open(fresh)
    kept, frame = registered(registry, honest=1.0)
    card = Registry.open(fresh).card(kept)
    assert (card.frame.snapshot, card.frame.sha256) == (1, frame.record.sha256)
    assert card.report.model["auc"].low < card.report.model["auc"].value < card.report.model["auc"].high
    again = training.reproduce(card, frames.load(Path(card.frame.path), "behavior", card.frame.sha256))
    window = training.split(frame).evaluation
    for part in ("serving", "judged"):
        stored = training.score("behavior", registry.load(kept, part), window)
        assert training.score("behavior", getattr(again, part), window).tobytes() == stored.tobytes()


def test_the_alias_alone_names_the_champion_and_a_damaged_version_never_becomes_it(fresh: Settings) -> None:
    assert champions.champion(fresh.conninfo(role="headrace_scorer"), "behavior") is None, (
        "before the registry was ever opened"
    )
    registry = Registry.open(fresh)
    first, _ = registered(registry, honest=1.0)
    second, frame = registered(registry, honest=0.9)
    promotion.promote(registry, first, "a test")
    found = champions.champion(fresh.conninfo(role="headrace_scorer"), "behavior")
    assert found is not None
    assert (found.version, found.folder, found.sha256) == (1, first.folder, first.sha256["serving"])
    assert registry.champion("behavior") == registry.version("behavior", 1)

    damaged = fresh.models_root / second.folder / files.SERVING
    damaged.write_bytes(damaged.read_bytes() + b"\0")
    with pytest.raises(files.InvalidModelFile, match="has changed since it was registered"):
        promotion.promote(registry, second, "a test")
    with pytest.raises(Terminal, match="There is no former champion"):
        promotion.rollback(registry, "behavior", "a test")
    assert registry.champion("behavior") == registry.version("behavior", 1)

    with psycopg.connect(fresh.conninfo(role=champions.ROLE)) as db:  # as MLflow's own UI would
        db.execute("update mlflow.registered_model_aliases set version = 2 where alias = 'champion'")
    assert _past_champions(fresh) == [1, 2]
    assert promotion.rollback(registry, "behavior", "a test").number == 1

    older, frame = registered(registry, honest=1.0, later=-2)
    verdict = promotion.consider(registry, older, frame)
    assert (verdict.promoted, verdict.reason) == (
        False,
        "stale data: its window ends 2026-03-02, the champion's 2026-05-01",
    )
