"""Keyed state of one input partition on local disk (RocksDB), and a batch's view of it.

A store is written only after the corresponding transaction was committed, together with the changelog offset that it
then reflects. So it may lag behind the changelog but never leads it, and a restart only replays the tail.
"""

import shutil
from bisect import bisect_left
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Protocol, cast
from uuid import UUID

import msgspec
from rocksdict import BlockBasedOptions, Cache, Options, Rdict, WriteBatch

from headrace.contracts import clock

RESERVED = b"\0"
"""First byte of keys that are reserved for the runtime; processors must not use it."""
LEDGER_KEY = RESERVED + b"ledger"
_CHECKPOINT_KEY = RESERVED + b"checkpoint"

_CACHE_BYTES, _WRITE_BUFFER_BYTES = 32 * 2**20, 8 * 2**20
_cache = Cache(_CACHE_BYTES)
"""Shared by all stores of the process, so memory does not grow with partitions or keys."""


class Checkpoint(msgspec.Struct, frozen=True):
    """A store's position in the changelog (topic id and next offset), and when it was last known to be at the end.

    `last` is the last applied changelog record: its offset, and the length and CRC-32 of its value.
    """

    topic_id: UUID
    offset: int
    written_at: datetime
    last: tuple[int, int, int] | None = None


class Base(Protocol):
    """The base of a view: the store, or another view."""

    def get(self, key: bytes) -> bytes | None: ...

    def entries(self, start: bytes, end: bytes) -> dict[bytes, bytes]: ...


class Store:
    """The store of one partition, in its own folder."""

    def __init__(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        table = BlockBasedOptions()
        table.set_block_cache(_cache)
        table.set_bloom_filter(10, block_based=False)
        # Otherwise indexes and filters are outside the cache, and memory grows with the number of keys.
        table.set_cache_index_and_filter_blocks(True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(table)
        options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
        options.set_max_write_buffer_number(2)
        options.set_max_open_files(256)
        options.set_keep_log_file_num(1)
        self._folder = folder
        self._db = Rdict(str(folder), options=options)

    @classmethod
    def emptied(cls, folder: Path) -> "Store":
        """A new store, which replaces an old one if present."""
        shutil.rmtree(folder, ignore_errors=True)
        return cls(folder)

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._db.get(key)
        return value

    def entries(self, start: bytes, end: bytes) -> dict[bytes, bytes]:
        """The entries with `start <= key < end`."""
        found: dict[bytes, bytes] = {}
        for key, value in cast("Iterator[tuple[bytes, bytes]]", self._db.items(from_key=start)):
            if key >= end:
                break
            found[key] = value
        return found

    @property
    def checkpoint(self) -> Checkpoint | None:
        raw = self.get(_CHECKPOINT_KEY)
        return None if raw is None else msgspec.msgpack.decode(raw, type=Checkpoint)

    def write(self, changes: dict[bytes, bytes | None], checkpoint: Checkpoint) -> None:
        """Apply the changes (None deletes) and the checkpoint atomically."""
        batch = WriteBatch(raw_mode=True)
        for key, value in changes.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(_CHECKPOINT_KEY, msgspec.msgpack.encode(checkpoint))
        self._db.write(batch)

    def confirm(self) -> None:
        """Record that the store is up to date now. Only for its owner, since no one else then writes to the
        changelog."""
        if (checkpoint := self.checkpoint) is not None:
            self.write({}, msgspec.structs.replace(checkpoint, written_at=clock.now()))

    def close(self) -> None:
        self._db.close()


def is_usable(checkpoint: Checkpoint, topic_id: UUID, end: int, delete_retention: timedelta, now: datetime) -> bool:
    """Whether a store can resume from its checkpoint, given that the changelog with this id ends at `end`.

    Tombstones are removed from a compacted topic after `delete_retention`. A store that missed some would keep deleted
    keys, so half of that time is the limit. A store ahead of its changelog has records that the broker lost.
    """
    is_recent = now - checkpoint.written_at < delete_retention / 2
    return checkpoint.topic_id == topic_id and checkpoint.offset <= end and is_recent


class View:
    """A batch's view of a store: reads see its own writes (`changes`, None deletes), which are not in the store."""

    def __init__(self, base: Base) -> None:
        self.changes: dict[bytes, bytes | None] = {}
        self._base = base
        self._layers: tuple[dict[bytes, bytes | None], ...] = (self.changes,)
        self._stored = base.get
        if isinstance(base, View):
            self._layers += base._layers  # noqa: SLF001
            self._stored = base._stored  # noqa: SLF001
        self._by_first: dict[bytes, list[bytes]] = {}
        self._indexed = 0

    def get(self, key: bytes) -> bytes | None:
        # One call however many views there are: each record reads state.
        for changes in self._layers:
            if key in changes:
                return changes[key]
        return self._stored(key)

    def put(self, key: bytes, value: bytes) -> None:
        self.changes[key] = value

    def put_all(self, values: dict[bytes, bytes]) -> None:
        self.changes |= values

    def delete(self, key: bytes) -> None:
        self.changes[key] = None

    def entries(self, start: bytes, end: bytes) -> dict[bytes, bytes]:
        found: dict[bytes, bytes | None] = {**self._base.entries(start, end)}
        found |= {key: self.changes[key] for key in self._changed(start, end)}
        return {key: found_value for key, found_value in found.items() if found_value is not None}

    def _changed(self, start: bytes, end: bytes) -> list[bytes]:
        """Changed keys in a range. Since there are many and this is called often, they are grouped by first byte."""
        # Changed keys are never removed, so those added since the last call are at the end.
        fresh = list(islice(reversed(self.changes), len(self.changes) - self._indexed))
        self._indexed = len(self.changes)
        for key in reversed(fresh):
            self._by_first.setdefault(key[:1], []).append(key)
        found: list[bytes] = []
        for first, keys in self._by_first.items():
            if start[:1] <= first <= end[:1]:
                keys.sort()  # only the latest are out of order, which takes one pass
                found += keys[bisect_left(keys, start) : bisect_left(keys, end)]
        return found

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        yield from sorted(self.entries(start, end).items())
