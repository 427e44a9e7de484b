"""Stream time and timers of one partition, kept in its state: what is due depends on the records alone.

Stream time is the latest event time so far, but no more than `LEAD` ahead of the arrival of the record that bears it:
one event dated a thousand years ahead would otherwise end everything that waits. It is the same however the
stream is cut into batches, and in every re-run.
"""

import heapq
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from streaming.processors.processor import State

LEAD = timedelta(minutes=10)
"""Clocks of servers differ by less; and it is less than anything waits for."""

_TIMER, _STREAM_TIME = b"t", b"w"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(datetime).decode


def bounded(time: datetime, arrived_ms: int | None) -> datetime:
    """An event's time, or the latest that stream time may follow it to, given when its record arrived."""
    return time if arrived_ms is None else min(time, _latest(arrived_ms))


@lru_cache(maxsize=64)
def _latest(arrived_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=arrived_ms) + LEAD


class StreamTime:
    """The clock of a batch. It keeps its own entries under the keys `t…` and `w` of the state; leave these to it."""

    def __init__(self, state: State, times: Sequence[datetime]) -> None:
        """`times` are those of the batch's records, `bounded`: `advance` is given no others."""
        raw = state.get(_STREAM_TIME)
        self.now = times[0] if raw is None else _decode(raw)
        self._state = state
        self._end = _after(max(self.now, *times))
        self._timers = [key for key, _ in state.scan(_TIMER, self._end)]
        heapq.heapify(self._timers)

    def advance(self, time: datetime) -> Iterator[bytes]:
        """Go on to a record's event time; gives the names of the timers due by then, in their order."""
        self.now = max(self.now, time)
        while self._timers and self._timers[0] < _after(self.now):
            timer = heapq.heappop(self._timers)
            self._state.delete(timer)
            yield timer[len(_after(_EPOCH)) :]

    def set_timer(self, after: timedelta, name: bytes) -> None:
        """Have `advance` give this name once stream time has gone on by `after`."""
        timer = _timer(self.now + after, name)
        self._state.put(timer, b"")
        if timer < self._end:  # later ones are another batch's
            heapq.heappush(self._timers, timer)

    def save(self) -> None:
        """Keep the stream time; call at the end of the batch."""
        self._state.put(_STREAM_TIME, _encode(self.now))


def _timer(due: datetime, name: bytes) -> bytes:
    """Key of a timer: timers sort by when they are due, in microseconds from 1970, made positive."""
    return _TIMER + ((due - _EPOCH) // _MICROSECOND + 2**63).to_bytes(8, "big") + name


def _after(time: datetime) -> bytes:
    """The first key past all timers that are due at `time`."""
    return _timer(time + _MICROSECOND, b"")
