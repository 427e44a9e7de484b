"""The current scorer: replaced atomically, kept when the registry is unavailable or a file is damaged."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.models.artifact import Fitted
from headrace.models.registry import champions, files
from headrace.models.registry.champions import AliasChange, Champion, former
from headrace.models.registry.current_scorer import CurrentScorer
from headrace.streaming.runtime.champions import Follower


class Registry:
    """Holds the alias of the champion, in place of PostgreSQL."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.champion: Champion | None = None
        self.unavailable = False

    def set_champion(self, version: int) -> Path:
        folder = f"behavior/{version}"
        path = self._settings.models_root / folder / files.SERVING
        self.champion = Champion("behavior", version, folder, files.save(path, {"weights": [version]}))
        return path

    def ask(self, conninfo: str, model: str) -> Champion | None:
        if self.unavailable:
            raise Transient("unavailable")
        return self.champion


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def registry(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Registry:
    registry = Registry(settings)
    monkeypatch.setattr(champions, "champion", registry.ask)
    return registry


def _made(version: str, fitted: Fitted) -> str:
    return f"{version} {fitted['weights']}"


def _scorer() -> CurrentScorer[str]:
    return CurrentScorer("behavior", lambda: "cold start", _made)


def test_the_cold_start_scores_until_there_is_a_champion(settings: Settings, registry: Registry) -> None:
    scorer = _scorer()
    follower = Follower(settings, scorer)
    assert follower.look()
    assert scorer.current() == "cold start"
    registry.set_champion(1)
    assert follower.look()
    assert scorer.current() == "behavior-1 [1]"


def test_a_new_champion_replaces_the_old_one_and_a_rollback_brings_it_back(
    settings: Settings, registry: Registry
) -> None:
    scorer = _scorer()
    follower = Follower(settings, scorer)
    registry.set_champion(1)
    first = registry.champion
    follower.look()
    registry.set_champion(2)
    follower.look()
    assert scorer.current() == "behavior-2 [2]"
    registry.champion = first
    follower.look()
    assert scorer.current() == "behavior-1 [1]"


def test_the_scorer_is_kept_if_the_registry_is_down_or_the_new_file_is_damaged(
    settings: Settings, registry: Registry
) -> None:
    scorer = _scorer()
    follower = Follower(settings, scorer)
    registry.set_champion(1)
    follower.look()
    registry.unavailable = True
    assert not follower.look()
    registry.unavailable = False
    registry.set_champion(2).write_bytes(b"damaged")
    assert not follower.look()
    assert scorer.current() == "behavior-1 [1]"
    registry.set_champion(3)
    assert follower.look()
    assert scorer.current() == "behavior-3 [3]"


def test_a_scorer_that_starts_without_the_registry_uses_its_last_champion(
    settings: Settings, registry: Registry
) -> None:
    registry.set_champion(1)
    Follower(settings, _scorer()).look()
    registry.unavailable = True
    scorer = _scorer()
    Follower(settings, scorer, poll_seconds=60).start()
    assert scorer.current() == "behavior-1 [1]"


def test_a_scorer_that_never_had_a_champion_starts_without_one(settings: Settings, registry: Registry) -> None:
    registry.unavailable = True
    scorer = _scorer()
    Follower(settings, scorer, poll_seconds=60).start()
    assert scorer.current() == "cold start"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ([], None),
        ([1], None),
        ([1, 2], 1),
        ([1, 2, 3], 2),
        ([1, 2, 3, 2], 1),
        ([1, 2, 3, 2, 4], 2),
        ([1, 2, 3, 1], 3),
        ([1, None, 2], None),
    ],
)
def test_the_former_champion_is_the_one_taken_over_from(line: list[int | None], expected: int | None) -> None:
    assert former([AliasChange(version, datetime(2026, 1, 1, tzinfo=UTC)) for version in line]) == expected
