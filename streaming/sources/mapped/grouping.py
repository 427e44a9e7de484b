"""Records in groups, such as the lines of an order, in bounded memory: as they stand together, or sorted on disk."""

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
from msgspec.msgpack import Ext

from headrace.contracts.errors import Terminal
from headrace.contracts.topic import MAX_DEAD_LETTER_BYTES
from headrace.streaming.sources.mapped.records import Record
from headrace.streaming.sources.outcomes import Outcome

RECENT = 250_000
"""Keys remembered as Python objects; the others take 8 bytes each."""
CACHE_KIB = 64_000
BATCH = 10_000

Keyed = tuple[Record, Outcome | None, str]
"""A record, its outcome if it is no part of an event, and the key of its group, which is empty if it has none."""


class Group(msgspec.Struct):
    """The records of one group. `size` counts all their bytes; `records` ends where a dead letter would."""

    key: str
    records: list[Record]
    size: int = 0

    def add(self, record: Record) -> None:
        """Append one record."""
        if self.size <= MAX_DEAD_LETTER_BYTES or not self.records:
            self.records.append(record)
        self.size += len(record.raw) + 1


class Seen:
    """The keys of groups that ended, as 64-bit hashes: 8 bytes a group. Two keys in 10^7 collide once in 10^5 files."""

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._old = np.empty(0, np.uint64)

    def before(self, key: str) -> bool:
        """Whether the key was asked for before."""
        number = int.from_bytes(blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest(), "big")
        if number in self._recent:
            return True
        if self._old.size:
            place = int(np.searchsorted(self._old, np.uint64(number)))
            if place < self._old.size and int(self._old[place]) == number:
                return True
        self._recent.add(number)
        if len(self._recent) >= RECENT:
            recent = np.fromiter(self._recent, np.uint64, len(self._recent))
            self._old = np.concatenate([self._old, recent])
            self._old.sort()  # in place: the array is what takes memory
            self._recent.clear()
        return False


def groups_of(records: Iterable[Keyed]) -> Iterator[Group | Record | Outcome]:
    """Groups of records that stand together, in order. What is no part of an event does not end a group."""
    group: Group | None = None
    for record, outcome, key in records:
        if outcome is not None:
            yield outcome
        elif not key:
            yield record
        else:
            if group is not None and group.key != key:
                yield group
                group = None
            group = group or Group(key, [])
            group.add(record)
    if group is not None:
        yield group


def sorted_by_group(records: Iterable[Keyed]) -> Iterator[Group | Record | Outcome]:
    """Groups of records that stand anywhere, in the order of their first one. They are sorted in a temporary file.

    The file has no name: SQLite removes it while it is open.
    """
    database = sqlite3.connect("")
    try:
        database.execute(f"pragma cache_size = -{CACHE_KIB}")
        database.execute("create table rows (key text, number integer, place integer primary key, record blob)")
        database.execute("create table groups (key text primary key, first integer) without rowid")
        yield from _store(database, records)
        yield from _stored(database)
    except sqlite3.OperationalError as error:
        raise Terminal(
            f"The rows cannot be sorted in a temporary file: {error}.",
            remedy="Name a folder with enough space in the variable SQLITE_TMPDIR, and repeat.",
        ) from error
    finally:
        database.close()


def _store(database: sqlite3.Connection, records: Iterable[Keyed]) -> Iterator[Record | Outcome]:
    """Insert the records of groups; the others are passed on."""
    batch: list[tuple[str, int, int, bytes]] = []
    for place, (record, outcome, key) in enumerate(records):
        if outcome is not None:
            yield outcome
        elif not key:
            yield record
        else:
            batch.append((key, record.number, place, _encode((record.raw, _kept(record.values)))))
        if len(batch) >= BATCH:
            _insert(database, batch)
    _insert(database, batch)


def _stored(database: sqlite3.Connection) -> Iterator[Group]:
    in_order = database.execute(
        "select rows.key, number, record from rows cross join groups using (key) order by first, place"
    )
    group: Group | None = None
    for key, number, stored in in_order:
        raw, values = _decode(stored)
        if group is not None and group.key != key:
            yield group
            group = None
        group = group or Group(key, [])
        group.add(Record(number, raw, values))
    if group is not None:
        yield group


_DECIMAL, _TIME, _DATE = 1, 2, 3
"""MessagePack would make texts of these."""


def _kept(value: Any) -> Any:
    match value:
        case dict():
            return {name: _kept(each) for name, each in value.items()}
        case list() | tuple():
            return [_kept(each) for each in value]
        case Decimal():
            return Ext(_DECIMAL, str(value).encode())
        case datetime():
            return Ext(_TIME, value.isoformat().encode())
        case date():
            return Ext(_DATE, value.isoformat().encode())
        case _:
            return value


def _restored(code: int, data: memoryview) -> Decimal | datetime | date:
    text = bytes(data).decode()
    return Decimal(text) if code == _DECIMAL else (datetime if code == _TIME else date).fromisoformat(text)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[bytes, dict[str, Any]], ext_hook=_restored).decode


def _insert(database: sqlite3.Connection, batch: list[tuple[str, int, int, bytes]]) -> None:
    first = [(key, place) for key, _, place, _ in batch]
    database.executemany("insert or ignore into groups (key, first) values (?, ?)", first)
    database.executemany("insert into rows (key, number, place, record) values (?, ?, ?, ?)", batch)
    batch.clear()
