"""Keyed state of one input partition on local disk (RocksDB), and the view of it that a batch works on.

A store is written only after the transaction that its content stands for was committed, together with the changelog
offset it then reflects. So it may lag behind the changelog, never lead it, and a restart replays the tail alone.
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

from contracts import clock

RESERVED = b"\0"
"""First byte of the runtime's own keys; a processor's keys begin with another."""
LEDGER_KEY = RESERVED + b"ledger"
_CHECKPOINT_KEY = RESERVED + b"checkpoint"

_CACHE_BYTES, _WRITE_BUFFER_BYTES = 32 * 2**20, 8 * 2**20
_cache = Cache(_CACHE_BYTES)
"""One for all stores of the process: memory does not grow with partitions or keys."""


class Checkpoint(msgspec.Struct, frozen=True):
    """How far in the changelog (topic id and next offset) a store is, and when it was known to be at its end.

    `last` is the last record of the changelog that is in the store: its offset, and length and CRC-32 of its value.
    """

    topic_id: UUID
    offset: int
    written_at: datetime
    last: tuple[int, int, int] | None = None


class Base(Protocol):
    """What a view is laid over: the store, or another view."""

    def get(self, key: bytes) -> bytes | None: ...

    def entries(self, start: bytes, end: bytes) -> dict[bytes, bytes]: ...


class Store:
    """The store of one partition, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        table = BlockBasedOptions()
        table.set_block_cache(_cache)
        table.set_bloom_filter(10, block_based=False)
        # Otherwise indexes and filters live outside of the cache, and memory grows with the number of keys.
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
        """A new store where there may be an old one."""
        shutil.rmtree(folder, ignore_errors=True)
        return cls(folder)

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._db.get(key)
        return value

    def entries(self, start: bytes, end: bytes) -> dict[bytes, bytes]:
        """What is stored with `start <= key < end`."""
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
        """Apply the changes (None deletes) and the checkpoint in one step."""
        batch = WriteBatch(raw_mode=True)
        for key, value in changes.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(_CHECKPOINT_KEY, msgspec.msgpack.encode(checkpoint))
        self._db.write(batch)

    def confirm(self) -> None:
        """Note that it is up to date now. For its owner alone: then nobody else has written to the changelog."""
        if (checkpoint := self.checkpoint) is not None:
            self.write({}, msgspec.structs.replace(checkpoint, written_at=clock.now()))

    def close(self) -> None:
        self._db.close()


def is_usable(checkpoint: Checkpoint, topic_id: UUID, end: int, delete_retention: timedelta, now: datetime) -> bool:
    """Whether a store may go on from its checkpoint, when the changelog with this id ends at `end`.

    Tombstones leave a compacted topic after `delete_retention`. A store that may have missed some would bring deleted
    keys back, so half of that time is the limit. A store ahead of its changelog knows what the broker has lost.
    """
    is_recent = now - checkpoint.written_at < delete_retention / 2
    return checkpoint.topic_id == topic_id and checkpoint.offset <= end and is_recent


class View:
    """A batch's view of a store: reads see its own writes (`changes`, None deletes), the store sees none of them."""

    def __init__(self, base: Base) -> None:
        self.changes: dict[bytes, bytes | None] = {}
        self._base = base
        self._by_first: dict[bytes, list[bytes]] = {}
        self._indexed = 0

    def get(self, key: bytes) -> bytes | None:
        return self.changes[key] if key in self.changes else self._base.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self.changes[key] = value

    def delete(self, key: bytes) -> None:
        self.changes[key] = None

    def entries(self, start: bytes, end: bytes) -> dict[bytes, bytes]:
        found: dict[bytes, bytes | None] = {**self._base.entries(start, end)}
        found |= {key: self.changes[key] for key in self._changed(start, end)}
        return {key: found_value for key, found_value in found.items() if found_value is not None}

    def _changed(self, start: bytes, end: bytes) -> list[bytes]:
        """Changed keys of a range. A batch has many and is asked often: they are kept apart by their first byte."""
        # What has changed stays changed, so the keys that were not there the last time are the latest ones.
        fresh = list(islice(reversed(self.changes), len(self.changes) - self._indexed))
        self._indexed = len(self.changes)
        for key in reversed(fresh):
            self._by_first.setdefault(key[:1], []).append(key)
        found: list[bytes] = []
        for first, keys in self._by_first.items():
            if start[:1] <= first <= end[:1]:
                keys.sort()  # they are in order but for the latest, which takes one pass
                found += keys[bisect_left(keys, start) : bisect_left(keys, end)]
        return found

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        yield from sorted(self.entries(start, end).items())
