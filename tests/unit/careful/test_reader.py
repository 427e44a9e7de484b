"""How the careful reader reads fetched batches."""

import struct
from collections.abc import Iterator

import pytest

from headrace.contracts.settings import Settings
from headrace.streaming.runtime.careful import broker
from headrace.streaming.runtime.careful.broker import Piece
from headrace.streaming.runtime.careful.reader import CarefulReader, Stretch
from tests.hostile_records import ZSTD, Record, batch, bomb

TRANSACTIONAL, CONTROL = 0x10, 0x20
PRODUCER = 7


def at(offset: int, data: bytes, attributes: int = 0, epoch: int = 3) -> bytes:
    """A batch as the broker stores it. Its checksum is not looked at."""
    stored = bytearray(data)
    struct.pack_into(">q", stored, 0, offset)
    struct.pack_into(">i", stored, 12, epoch)
    (given,) = struct.unpack_from(">h", stored, 21)
    struct.pack_into(">h", stored, 21, given | attributes)
    struct.pack_into(">q", stored, 43, PRODUCER if attributes else -1)
    return bytes(stored)


def read(
    monkeypatch: pytest.MonkeyPatch, log: list[bytes], aborted: list[tuple[int, int]], start: int = 0
) -> list[Stretch]:
    class Fake:
        def __init__(self, _settings: Settings) -> None: ...

        def fetch(self, _topic: str, _partition: int, offset: int, _max_bytes: int) -> Piece:
            return Piece(b"".join(self._from(offset)), aborted)

        def _from(self, offset: int) -> Iterator[bytes]:
            for each in log:
                first, delta = struct.unpack_from(">q", each)[0], struct.unpack_from(">i", each, 23)[0]
                if first + delta >= offset:
                    yield each

    monkeypatch.setattr(broker, "RawBroker", Fake)
    return list(CarefulReader(Settings()).read("orders", 0, start))


def offsets(found: list[Stretch]) -> list[int | None]:
    return [message.offset() for stretch in found for message in stretch.messages]


TWO = batch([Record(b"a"), Record(b"b")])
ONE = batch([Record(b"c")])


def test_reading_begins_inside_of_a_batch_and_ends_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, [at(0, TWO), at(2, TWO), at(9, ONE)], [], start=1)
    assert offsets(found) == [1, 2, 3, 9]
    assert [stretch.next for stretch in found] == [2, 4, 10]
    assert found[0].messages[0].leader_epoch() == 3


def test_aborted_records_and_markers_are_no_records(monkeypatch: pytest.MonkeyPatch) -> None:
    log = [
        at(0, TWO, TRANSACTIONAL),
        at(2, ONE),
        at(3, ONE, TRANSACTIONAL | CONTROL),
        at(4, ONE, TRANSACTIONAL),
        at(5, ONE, TRANSACTIONAL | CONTROL),
    ]
    found = read(monkeypatch, log, [(PRODUCER, 0)])
    assert offsets(found) == [2, 4]
    assert found[-1].next == 6


def test_what_cannot_be_inflated_is_one_range_with_its_reason_and_content(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = at(2, bomb(ZSTD, 65))
    found = read(monkeypatch, [at(0, TWO), bad, at(3, ONE)], [])
    assert offsets(found) == [0, 1, 3]
    unreadable = found[1].unreadable
    assert unreadable is not None
    assert (unreadable.first, unreadable.next, unreadable.records) == (2, 3, 1)
    assert unreadable.reason == "inflates to more than 67108864 bytes"
    assert unreadable.content == bad


def test_names_of_headers_that_are_no_utf8_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = read(monkeypatch, [at(0, batch([Record(b"v", headers=[(b"\xff\xfe", b"x"), (b"a", None)])]))], [])
    assert found.messages[0].headers() == [("\\xff\\xfe", b"x"), ("a", None)]  # pyright: ignore[reportAttributeAccessIssue]
