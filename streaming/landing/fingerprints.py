"""What the records of a range of offsets are, in 24 bytes: so a topic can be compared with what was landed of it.

A fingerprint is six CRC-32, of the offsets, the timestamps, and the lengths and bytes of keys and of values. It is the
same however the records were batched. Headers are not in it.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
import pyarrow as pa
from confluent_kafka import Message

from contracts.topics import Topic
from streaming.landing.packed import Packed

if TYPE_CHECKING:
    from streaming.landing.batch import Batch

_FORM = struct.Struct(">6I")
_SECOND = itemgetter(1)


@dataclass(frozen=True)
class RangePrint:
    """Fingerprints of a range's records together, and of the last one alone."""

    records: bytes
    last_record: bytes


class Fingerprint:
    """A fingerprint that grows with the records."""

    def __init__(self) -> None:
        self._state = (0,) * 6

    def update(self, offsets: np.ndarray, times: np.ndarray, keys: Packed, values: Packed) -> None:
        """Add records, as columns of one length; `values` have the separator of their topic."""
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
        # Each value is followed by its separator: where a batch ends makes no difference then.
        self._state = (*others, crc32(values.separator, crc32(values.data, data)))

    def digest(self) -> bytes:
        return _FORM.pack(*self._state)


def separator_of(topic: Topic) -> bytes:
    """What stands between the values of a topic's records where they are packed: events are parsed as lines."""
    return b"" if topic.contract is None else b"\n"


def of_messages(topic: Topic, messages: Iterable[Message], state: Fingerprint | None = None) -> Fingerprint:
    """The fingerprint of these records, or `state` with them added."""
    state, taken = state or Fingerprint(), list(messages)
    state.update(
        np.fromiter(map(Message.offset, taken), np.int64, len(taken)),
        np.fromiter(map(_SECOND, map(Message.timestamp, taken)), np.int64, len(taken)),
        Packed.of(list(map(Message.key, taken))),
        Packed.of(list(map(Message.value, taken)), separator_of(topic)),
    )
    return state


def of_batch(batch: "Batch") -> dict[int, RangePrint]:
    """The fingerprint of each partition's records in a batch."""
    found: dict[int, RangePrint] = {}
    order = np.argsort(batch.partitions, kind="stable") if len(batch.firsts) > 1 else None
    columns = (batch.offsets, batch.times, batch.keys, batch.values)
    offsets, times, keys, values = columns if order is None else _ordered(*columns, order)
    counts = np.bincount(batch.partitions)
    begin, key_begin, value_begin = 0, 0, 0
    for partition in sorted(batch.firsts):
        end = begin + int(counts[partition])
        of_keys, key_begin = _slice(keys, begin, end, key_begin)
        of_values, value_begin = _slice(values, begin, end, value_begin)
        whole, last = Fingerprint(), Fingerprint()
        whole.update(offsets[begin:end], times[begin:end], of_keys, of_values)
        last.update(offsets[end - 1 : end], times[end - 1 : end], _last(of_keys), _last(of_values))
        found[partition] = RangePrint(whole.digest(), last.digest())
        begin = end
    return found


def _ordered(
    offsets: np.ndarray, times: np.ndarray, keys: Packed, values: Packed, order: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Packed, Packed]:
    return offsets[order], times[order], _taken(keys, order), _taken(values, order)


def _taken(packed: Packed, order: np.ndarray) -> Packed:
    """The strings in another order."""
    size = len(packed.separator)
    starts = np.zeros(len(packed) + 1, np.int64)
    np.cumsum(np.maximum(packed.lengths, 0) + size, out=starts[1:])
    data = packed.data + packed.separator
    strings = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(packed), [None, pa.py_buffer(starts), pa.py_buffer(data)]
    )
    content = strings.take(pa.array(order)).buffers()[2]
    taken = content.to_pybytes() if content is not None else b""
    return Packed(taken[: len(taken) - size], packed.lengths[order], packed.separator)


def _slice(packed: Packed, begin: int, end: int, at: int) -> tuple[Packed, int]:
    """Strings `begin` to `end - 1`, whose bytes begin at `at`; and where the bytes of the next ones begin."""
    if begin == 0 and end == len(packed):
        return packed, len(packed.data)
    size, lengths = len(packed.separator), packed.lengths[begin:end]
    stop = at + int(np.maximum(lengths, 0).sum()) + (end - begin) * size
    return Packed(packed.data[at : stop - size], lengths, packed.separator), stop


def _last(packed: Packed) -> Packed:
    length = int(packed.lengths[-1])
    return Packed(packed.data[len(packed.data) - max(length, 0) :], packed.lengths[-1:], packed.separator)
