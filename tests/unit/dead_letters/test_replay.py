"""A replay whose topic of notes Kafka does not serve."""

import itertools
from uuid import UUID

import pytest

from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.streaming.runtime import clients, health
from headrace.streaming.runtime.dead_letters import replay


class NothingServed:
    """An admin client of a broker that serves no topic."""

    topics: dict[str, object] = {}  # noqa: RUF012

    def list_topics(self, timeout: float) -> "NothingServed":
        return self


def test_a_replay_does_not_wait_forever_for_its_topic_of_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "admin", lambda _: NothingServed())
    monkeypatch.setattr(replay, "bounds", lambda *_: (UUID(int=1), 0, 5))
    monkeypatch.setattr(replay, "create_topics", lambda *_: [])
    monkeypatch.setattr(health.time, "monotonic", itertools.count(0, 5).__next__)
    monkeypatch.setattr(health.time, "sleep", lambda _: None)
    with pytest.raises(Transient, match=r"headrace\.replays.*headrace status.*Run it again"):
        replay.replay(Settings(), "orders", replay.Criteria())
