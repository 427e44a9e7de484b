"""The positions of live sources, without a broker."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.streaming.sources.live import positions


def failing(monkeypatch: pytest.MonkeyPatch, codes: list[int]) -> None:
    """Let the broker answer with errors first, and then with an end of 7."""

    def answer(*_: Any) -> int:
        if codes:
            raise KafkaException(KafkaError(codes.pop(0)))
        return 7

    monkeypatch.setattr(positions, "uncommitted_end", answer)


def test_the_end_of_a_topic_created_just_now_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.NOT_LEADER_FOR_PARTITION])
    assert positions.end_of(Settings(), 0) == 7


def test_an_error_that_waiting_does_not_solve_is_raised_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, [KafkaError.TOPIC_AUTHORIZATION_FAILED])
    with pytest.raises(Transient, match="positions cannot be read"):
        positions.end_of(Settings(), 0)
