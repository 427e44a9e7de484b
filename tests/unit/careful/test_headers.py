"""Headers can be read again and again; those that the client cannot read are read from the batch."""

from typing import Any

import pytest
from confluent_kafka import Message

from headrace.contracts.settings import Settings
from headrace.streaming.runtime.careful import headers
from headrace.streaming.runtime.careful.headers import UNREAD, OddHeaders, headers_of
from tests.careful_readers import FakeReader


class Fake:
    """A message whose headers, if they are odd, can be asked for once, as the client's."""

    def __init__(self, found: list[tuple[str, bytes]] | None) -> None:
        self._found = found
        self.asked = 0

    def headers(self) -> list[tuple[str, bytes]]:
        self.asked += 1
        if self._found is None:
            assert self.asked == 1, "the process would crash"
            raise SystemError("returned a result with an exception set")
        return self._found

    def set_headers(self, headers: list[tuple[str, bytes]]) -> None:
        self._found = headers


def test_odd_headers_are_found_whenever_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "Message", Fake)
    good = [("a", b"1")]
    messages: list[Any] = [Fake(good), Fake(None), Fake(None), Fake(good)]
    assert headers_of(messages) == ([good, None, None, good], [1, 2])
    assert headers_of(messages) == ([good, None, None, good], [1, 2])
    assert headers_of(messages[2:3]) == ([None], [0])


def test_one_batch_is_read_for_all_its_odd_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    from headrace.streaming.runtime.careful.reader import Stretch

    reads: list[int] = []

    class Reader(FakeReader):
        def next_batch(self, _topic: str, _partition: int, start: int) -> Stretch:
            reads.append(start)
            found = [Message(offset=offset, headers=[("x", str(offset).encode())]) for offset in range(start, 8)]
            return Stretch(8, 1, found, None)

    monkeypatch.setattr(headers, "CarefulReader", Reader)
    odd = OddHeaders(Settings())
    assert odd.of("orders", 0, 5) == [("x", b"5")]
    assert odd.of("orders", 0, 7) == [("x", b"7")]
    assert odd.of("orders", 0, 3) == [("x", b"3")]
    assert reads == [5, 3]
    assert UNREAD != []


def test_a_connection_serves_many_odd_headers_and_a_lost_one_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    from headrace.contracts.errors import Transient
    from headrace.streaming.runtime.careful.reader import Stretch

    now, opened, closed = [100.0], [0], [0]
    failing: set[int] = set()

    class Reader:
        def __init__(self, _settings: Settings) -> None:
            opened[0] += 1
            self.number = opened[0]

        def __exit__(self, *_: object) -> None:
            closed[0] += 1

        def next_batch(self, _topic: str, _partition: int, start: int) -> Stretch:
            if self.number in failing:
                raise Transient("gone")
            return Stretch(start + 1, 1, [Message(offset=start, headers=[("x", b"1")])], None)

    monkeypatch.setattr(headers, "CarefulReader", Reader)
    odd = OddHeaders(Settings(), clock=lambda: now[0])
    for offset in range(50):
        assert odd.of("orders", 0, offset) == [("x", b"1")]
    assert opened == [1]
    failing.add(1)
    assert odd.of("orders", 0, 60) == [("x", b"1")]
    assert (opened, closed) == ([2], [1])
    now[0] += headers.KEPT_SECONDS + 1
    assert odd.of("orders", 0, 70) == [("x", b"1")]
    assert (opened, closed) == ([3], [2])
    failing |= {3, 4}
    with pytest.raises(Transient):
        odd.of("orders", 0, 80)
    assert (opened, closed) == ([4], [4])
