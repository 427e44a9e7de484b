"""A stack does not start with a breaking change of the contract of a topic that has data."""

import json
from pathlib import Path

import pytest

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.contracts.topic import Topic
from headrace.stack import contract_history


def narrowed(settings: Settings, topic: str, name: str) -> Path:
    """Change the kept contract, so that today's lacks a field of it."""
    file = settings.root / contract_history.FOLDER / f"{topic}.json"
    kept = json.loads(file.read_text())
    (described,) = (each for each in kept["$defs"].values() if "event_id" in each["properties"])
    described["properties"][name] = {"type": "string"}
    file.write_text(json.dumps(kept))
    return file


def empty(_: Topic) -> bool:
    return False


def full(topic: Topic) -> bool:
    return topic.name == "orders"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home that keeps today's contracts."""
    settings = Settings(home=tmp_path)
    contract_history.require_compatible(settings, full)  # the first start
    contract_history.keep(settings)
    return settings


def test_an_unchanged_contract_starts_with_data(settings: Settings) -> None:
    contract_history.require_compatible(settings, full)


def test_a_breaking_change_of_a_topic_with_records_is_refused(settings: Settings) -> None:
    file = narrowed(settings, "orders", "gone")
    with pytest.raises(Terminal, match="orders, which has data, has a breaking change: gone: removed") as refused:
        contract_history.require_compatible(settings, full)
    assert str(file) in refused.value.remedy
    assert "Raise the version to 2 and add an upcaster from version 1." in refused.value.remedy
    file.unlink()
    contract_history.require_compatible(settings, full)


def test_a_breaking_change_of_a_topic_with_landed_files_is_refused(settings: Settings) -> None:
    narrowed(settings, "customers", "gone")
    contract_history.require_compatible(settings, empty)
    landed = settings.landing_root / "customers" / "2026-11-01"
    landed.mkdir(parents=True)
    (landed / "part.parquet").touch()
    with pytest.raises(Terminal, match="customers, which has data"):
        contract_history.require_compatible(settings, empty)


def test_a_change_of_an_empty_topic_is_kept_for_the_next_start(settings: Settings) -> None:
    narrowed(settings, "customers", "gone")
    contract_history.require_compatible(settings, full)
    contract_history.keep(settings)
    contract_history.require_compatible(settings, lambda _: True)
