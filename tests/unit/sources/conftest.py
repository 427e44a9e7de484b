"""Ends each test's sources, which would otherwise read or retry forever."""

import threading
from collections.abc import Iterator

import pytest

from headrace.streaming.sources.live import sessions
from tests.unit.sources.reading import Reading


@pytest.fixture(autouse=True)
def sessions_end_with_the_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    over = threading.Event()
    wait = sessions.whether_to_wait
    monkeypatch.setattr(sessions, "whether_to_wait", lambda error: not over.is_set() and wait(error))
    yield
    over.set()
    while Reading.started:
        Reading.started.pop().end()
