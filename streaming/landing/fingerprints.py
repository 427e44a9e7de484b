"""24-byte fingerprints of the records in a range of offsets, to compare a topic with what was landed.

A fingerprint consists of six CRC-32 checksums: of offsets, timestamps, and the lengths and bytes of keys and values. It
does not depend on how the records were batched. Headers are not included.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Protocol
from zlib import crc32

import numpy as np
import pyarrow as pa
from confluent_kafka import Message

from headrace.contracts.topic import Topic
from headrace.streaming.landing.byte_column import ByteColumn

MIN_RUN = 8
"""Average run length of one partition's records from which their bytes are read in place."""
_FORM = struct.Struct(">6I")
_SECOND = itemgetter(1)


@dataclass(frozen=True)
class RangePrint:
    """Fingerprints of all records of a range, and of the last one."""

    records: bytes
    last_record: bytes


class Records(Protocol):
    """The columns that `of_batch` reads, as in `headrace.streaming.landing.batch.Batch`."""

    @property
    def firsts(self) -> dict[int, int]: ...
    @property
    def partitions(self) -> np.ndarray: ...
    @property
    def offsets(self) -> np.ndarray: ...
    @property
    def times(self) -> np.ndarray: ...
    @property
    def keys(self) -> ByteColumn: ...
    @property
    def values(self) -> ByteColumn: ...


class Fingerprint:
    """A fingerprint that is computed incrementally."""

    def __init__(self) -> None:
        self._state = (0,) * 6

    def update(self, offsets: np.ndarray, times: np.ndarray, keys: ByteColumn, values: ByteColumn) -> None:
        """Add records, as columns of equal length; `values` uses the separator of the topic."""
        if not len(offsets):
            return
        parts = (
            np.ascontiguousarray(offsets, np.int64),
            np.ascontiguousarray(times, np.int64),
            keys.lengths,
            keys.data,
            values.lengths,
        )
        *others, data = self._state
        others = [crc32(part, state) for part, state in zip(parts, others, strict=True)]
        # A separator follows each value, so that batch boundaries make no difference.
        self._state = (*others, crc32(values.separator, crc32(values.data, data)))

    def digest(self) -> bytes:
        return _FORM.pack(*self._state)


def separator_of(topic: Topic) -> bytes:
    """The separator between the values of a topic's records in a column: events are parsed as lines."""
    return b"" if topic.contract is None else b"\n"


def of_messages(topic: Topic, messages: Iterable[Message], state: Fingerprint | None = None) -> Fingerprint:
    """The fingerprint of these records, added to `state` if given."""
    state, taken = state or Fingerprint(), list(messages)
    state.update(
        np.fromiter(map(Message.offset, taken), np.int64, len(taken)),
        np.fromiter(map(_SECOND, map(Message.timestamp, taken)), np.int64, len(taken)),
        ByteColumn.of(list(map(Message.key, taken))),
        ByteColumn.of(list(map(Message.value, taken)), separator_of(topic)),
    )
    return state


def of_batch(batch: Records) -> dict[int, RangePrint]:
    """The fingerprint of each partition's records in a batch."""
    order = np.argsort(batch.partitions, kind="stable") if len(batch.firsts) > 1 else np.arange(len(batch.offsets))
    ends = np.cumsum(np.bincount(batch.partitions))
    columns = [np.asarray(each, np.int64)[order] for each in (batch.offsets, batch.times)]
    columns += [batch.keys.lengths[order], batch.values.lengths[order]]
    keys, values = (
        _by_partition(batch.keys, batch.partitions, order),
        _by_partition(batch.values, batch.partitions, order),
    )
    found: dict[int, RangePrint] = {}
    for partition in sorted(batch.firsts):
        begin, end = int(ends[partition - 1]) if partition else 0, int(ends[partition])
        offsets, times, key_lengths, value_lengths = (crc32(column[begin:end].data) for column in columns)
        whole = _FORM.pack(offsets, times, key_lengths, keys[partition], value_lengths, values[partition])
        found[partition] = RangePrint(whole, _of_one(batch, int(order[end - 1])))
    return found


def _of_one(batch: Records, place: int) -> bytes:
    (key,), (value,) = batch.keys.at([place]), batch.values.at([place])
    state = Fingerprint()
    state.update(
        batch.offsets[place : place + 1],
        batch.times[place : place + 1],
        ByteColumn.of([key]),
        ByteColumn.of([value], batch.values.separator),
    )
    return state.digest()


def _by_partition(column: ByteColumn, partitions: np.ndarray, order: np.ndarray) -> dict[int, int]:
    """CRC-32 of the strings of each partition, each followed by its separator."""
    count, size = len(column), len(column.separator)
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(np.maximum(column.lengths, 0) + size, out=starts[1:])
    begins = np.concatenate([[0], np.flatnonzero(np.diff(partitions)) + 1])
    data: bytes | pa.Buffer = column.data
    if len(begins) * MIN_RUN > count:
        # Short runs: sort the strings by partition instead of stepping through the runs.
        data, starts, partitions = *_ordered(column, starts, order), partitions[order]
        begins = np.concatenate([[0], np.flatnonzero(np.diff(partitions)) + 1])
    found: dict[int, int] = {}
    view = memoryview(data)
    at, owners = starts[np.append(begins, count)].tolist(), partitions[begins].tolist()
    for owner, start, stop in zip(owners, at, at[1:], strict=False):
        found[owner] = crc32(view[start:stop], found.get(owner, 0))
    # In their original order, no separator follows the last string.
    if len(view) < at[-1]:
        found[owners[-1]] = crc32(column.separator, found[owners[-1]])
    return found


def _ordered(column: ByteColumn, starts: np.ndarray, order: np.ndarray) -> tuple[pa.Buffer, np.ndarray]:
    """The strings in another order, each followed by its separator, and their start offsets."""
    data = pa.py_buffer(column.data + column.separator)
    strings = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(column), [None, pa.py_buffer(starts), data])
    _, places, content = strings.take(pa.array(order)).buffers()
    return content or pa.py_buffer(b""), np.frombuffer(places, np.int64)[: len(column) + 1]
