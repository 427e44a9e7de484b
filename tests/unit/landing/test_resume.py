"""Where landing resumes."""

from typing import Any
from uuid import UUID

import pytest

from headrace.contracts.settings import Settings
from headrace.streaming.landing import resume
from headrace.streaming.landing.positions import Position

TOPIC_ID = UUID(int=1)


def test_records_that_another_lander_commits_meanwhile_do_not_count_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = iter([10, 15])  # five records came after the bounds were read, and have landed before the position is
    held_against: list[tuple[int, int]] = []

    class Positions:
        adopt = staticmethod(lambda *_: TOPIC_ID)
        open_positions = staticmethod(lambda *_: None)
        stored_positions = staticmethod(
            lambda *_: {("orders", 0): Position(TOPIC_ID, 0, "orders", 0, 15, None, TOPIC_ID, 0, 1, b"print")}
        )

    def lost_ends(_settings: Any, _db: Any, _positions: Any, bounds: Any, **_: Any) -> dict[Any, int]:
        held_against.append(bounds["orders", 0])
        return {}

    monkeypatch.setattr(resume, "positions", Positions)
    monkeypatch.setattr(resume, "topic_ids", lambda *_: {"orders": TOPIC_ID})
    monkeypatch.setattr(resume, "leader_epochs", lambda *_: {})
    monkeypatch.setattr(resume, "offset_bounds", lambda *_: {("orders", 0): (0, next(ends))})
    monkeypatch.setattr(resume, "lost_ends", lost_ends)
    nothing: Any = None
    assert resume.resume_points(Settings(), nothing, nothing, [("orders", 0)]).positions == {("orders", 0): 15}
    assert held_against == [(0, 15)]
