"""What a replay writes, and a replay whose topic of notes Kafka does not serve."""

import itertools
from datetime import UTC, datetime
from uuid import UUID

import pytest

from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime import clients, health
from headrace.streaming.runtime.dead_letters import replay
from headrace.streaming.runtime.dead_letters.letters import Letter
from tests import versioned


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


def letter(value: bytes, *headers: tuple[str, bytes | None]) -> Letter:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return Letter("orders", 7, at, "s", "r", None, "orders/0/1", len(value), b"k", value, headers)


def test_a_replayed_record_is_in_the_current_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TOPICS, "orders", versioned.topic())
    for value, given in ((versioned.FIRST, []), (versioned.SECOND, versioned.headers(2))):
        old = letter(value, ("own", b"1"), *given)
        assert replay.refusal(old) is None
        upcast, headers = replay.record_of(old)
        assert b'"place":"A"' in (upcast or b"")
        assert [each for each in headers if not each[0].startswith("headrace.")] == [
            ("own", b"1"),
            *versioned.headers(3),
        ]


def test_a_replayed_record_of_the_current_version_keeps_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TOPICS, "orders", versioned.topic())
    value, headers = replay.record_of(letter(versioned.THIRD, *versioned.headers(3)))
    assert value == versioned.THIRD
    assert headers[:1] == versioned.headers(3)


def test_a_letter_of_a_newer_version_is_not_replayed_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TOPICS, "orders", versioned.topic())
    assert "update this program" in str(replay.refusal(letter(versioned.THIRD, *versioned.headers(4))))
