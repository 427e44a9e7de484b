"""When records arrived: the time at which the broker appended them, which no client can choose.

A topic that keeps its clients' times (`CreateTime`, as topics did before `ARRIVAL_TIMES` was among their settings) says
nothing about arrival: there, the reader's own clock is taken.
"""

from collections.abc import Sequence
from operator import itemgetter

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from contracts import clock

_TYPE, _MILLISECONDS = itemgetter(0), itemgetter(1)
_BY_BROKER = {TIMESTAMP_LOG_APPEND_TIME}


def arrivals(stamps: Sequence[tuple[int, int]]) -> list[int]:
    """The arrival of records by their timestamps, as `Message.timestamp` gives them, in milliseconds since 1970."""
    if set(map(_TYPE, stamps)) <= _BY_BROKER:
        return list(map(_MILLISECONDS, stamps))
    now = clock.milliseconds()
    return [when if kind == TIMESTAMP_LOG_APPEND_TIME else now for kind, when in stamps]
