"""Arrival times of records: when the broker appended them, which clients cannot set.

A topic with client timestamps (`CreateTime`, as before `ARRIVAL_TIMES` was among the settings) has no arrival times;
the reader's clock is used instead.
"""

from collections.abc import Sequence
from operator import itemgetter

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from headrace.contracts import clock

_TYPE, _MILLISECONDS = itemgetter(0), itemgetter(1)
_BY_BROKER = {TIMESTAMP_LOG_APPEND_TIME}


def arrivals(stamps: Sequence[tuple[int, int]]) -> list[int]:
    """Arrival times from timestamps as returned by `Message.timestamp`, in milliseconds since 1970."""
    if set(map(_TYPE, stamps)) <= _BY_BROKER:
        return list(map(_MILLISECONDS, stamps))
    now = clock.milliseconds()
    return [when if kind == TIMESTAMP_LOG_APPEND_TIME else now for kind, when in stamps]
