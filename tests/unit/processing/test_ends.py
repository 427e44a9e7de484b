"""The end of a partition whose topic was created just now."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from headrace.streaming.runtime.topics import uncommitted_end


class Admin:
    """Answers with these errors first, and then with an end of 7."""

    def __init__(self, *codes: int) -> None:
        self._codes = list(codes)
        self.refreshed: list[str] = []

    def list_topics(self, topic: str, **_: Any) -> None:
        self.refreshed.append(topic)

    def list_offsets(self, wanted: dict[Any, Any], **_: Any) -> dict[Any, Future[Any]]:
        future = Future[Any]()
        if self._codes:
            future.set_exception(KafkaException(KafkaError(self._codes.pop(0))))
        else:
            future.set_result(SimpleNamespace(offset=7))
        return dict.fromkeys(wanted, future)


def test_a_partition_between_two_leaders_is_asked_again() -> None:
    admin: Any = Admin(KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
    assert uncommitted_end(admin, "orders", 0) == 7
    assert admin.refreshed == ["orders", "orders"]


def test_a_leader_of_before_a_restart_is_forgotten_and_asked_for_again() -> None:
    admin: Any = Admin(KafkaError.FENCED_LEADER_EPOCH)
    assert uncommitted_end(admin, "orders", 0) == 7
    assert admin.refreshed == ["orders"]


def test_any_other_error_is_raised_at_once() -> None:
    admin: Any = Admin(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(KafkaException):
        uncommitted_end(admin, "orders", 0)
