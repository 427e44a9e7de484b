"""Connect passes batches that it cannot read."""

from collections.abc import Iterable
from typing import Any

import pytest

from headrace.contracts.delivery import DELIVERIES
from headrace.contracts.settings import Settings
from headrace.streaming.connect import passing
from tests.careful_readers import FakeReader


def test_partitions_that_were_added_to_a_topic_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = next(iter(DELIVERIES.values()))
    asked: list[tuple[str, int]] = []

    def offset_bounds(_admin: Any, keys: Iterable[tuple[str, int]]) -> dict[Any, Any]:
        asked.extend(keys)
        return {}

    monkeypatch.setattr(passing, "quiet_admin", lambda _: None)
    monkeypatch.setattr(passing, "CarefulReader", FakeReader)
    monkeypatch.setattr(passing, "offset_bounds", offset_bounds)
    monkeypatch.setattr(passing, "committed_offsets", lambda *_: dict.fromkeys(range(99), 0))
    assert passing.pass_unreadable(Settings(), delivery) == []
    assert (delivery.topic, 98) in asked
