"""Stream time and timers of one partition, kept in its state: due times depend only on the records.

Stream time is the latest event time so far, but at most `LEAD` ahead of the arrival of its record; otherwise one event
dated a thousand years ahead would expire all timers. It does not depend on batch boundaries and is the same in every
rerun.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec

from headrace.streaming.runtime.processing.processor import State
from headrace.streaming.runtime.processing.tables import STREAM_TIME, TIMERS, Table

LEAD = timedelta(minutes=10)
"""More than clock differences between servers, and less than any timer."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NEVER = datetime.max.replace(tzinfo=UTC)
_BIAS, _NAME_AT = 2**63, len(TIMERS) + 8
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(datetime).decode


def bounded(times: Sequence[datetime], arrived_ms: Sequence[int | None]) -> Sequence[datetime]:
    """Event times, limited to what stream time can follow given the records' arrival times, if known.

    Checks whole columns: usually no event is ahead of the first arrival. Otherwise it bisects to find those that are.
    """
    known = cast("Sequence[int]", arrived_ms)
    if None in arrived_ms:
        known = [arrived for arrived in arrived_ms if arrived is not None]
    if not known or max(times) <= (latest := _EPOCH + timedelta(milliseconds=min(known)) + LEAD):
        return times
    if len(times) == 1:
        return [latest]
    half = len(times) // 2
    return [*bounded(times[:half], arrived_ms[:half]), *bounded(times[half:], arrived_ms[half:])]


class StreamTime:
    """The clock and the timers of a batch."""

    def __init__(self, state: State, times: Sequence[datetime], tables: Iterable[Table[Any]]) -> None:
        """`times` are the `bounded` times of the batch's records; `advance` must only be called with these.

        `tables` are those that timers are set for.
        """
        raw = state.get(STREAM_TIME)
        self.now = times[0] if raw is None else _decode(raw)
        self._tables = {table.prefix: table for table in tables}
        self._state = state
        self._end = _after(max(self.now, *times))
        self._timers = [key for key, _ in state.scan(TIMERS, self._end)]
        heapq.heapify(self._timers)
        self._next = self._next_due()

    def advance(self, time: datetime) -> Iterable[tuple[Table[Any], bytes]]:
        """Advance to a record's event time; returns the table and the key of each timer due by then, in order."""
        if time > self.now:
            self.now = time
        # Called for each record; timers are rarely due.
        return self._due() if self._next <= self.now else ()

    def set_timer(self, table: Table[Any], key: bytes, since: datetime | None = None) -> None:
        """Have `advance` return this entry once stream time has advanced by the table's `timer`, `since` then or
        now."""
        if table.timer is None:
            raise ValueError(f"The table {table.name} declares no timer.")
        due = (since or self.now) + table.timer
        timer = _timer(due, table.prefix + key)
        self._state.put(timer, b"")
        if timer < self._end:  # later ones belong to another batch
            heapq.heappush(self._timers, timer)
            if due < self._next:
                self._next = due

    def save(self) -> None:
        """Write the stream time; call at the end of the batch."""
        self._state.put(STREAM_TIME, _encode(self.now))

    def _due(self) -> Iterator[tuple[Table[Any], bytes]]:
        end = _after(self.now)
        while self._timers and self._timers[0] < end:
            timer = heapq.heappop(self._timers)
            self._state.delete(timer)
            yield self._tables[timer[_NAME_AT : _NAME_AT + 1]], timer[_NAME_AT + 1 :]
        self._next = self._next_due()

    def _next_due(self) -> datetime:
        if not self._timers:
            return _NEVER
        return _EPOCH + timedelta(microseconds=int.from_bytes(self._timers[0][len(TIMERS) : _NAME_AT], "big") - _BIAS)


def _timer(due: datetime, name: bytes) -> bytes:
    """Key of a timer: timers sort by due time, in microseconds since 1970, shifted to be positive.

    `name` is the entry's key in the state.
    """
    since = due - _EPOCH  # dividing it by a microsecond takes three times as long
    micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return TIMERS + (micros + _BIAS).to_bytes(8, "big") + name


def _after(time: datetime) -> bytes:
    """The first key past all timers that are due at `time`."""
    return _timer(time + _MICROSECOND, b"")
