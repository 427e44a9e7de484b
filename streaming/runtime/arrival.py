"""Arrival times of records: when the broker appended them, which clients cannot set.

A topic with client timestamps (`CreateTime`, as before `ARRIVAL_TIMES` was among the settings) has no arrival times;
the reader's clock is used instead.
"""

from collections.abc import Iterable
from itertools import chain

import numpy as np
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from headrace.contracts import clock


def times_and_arrivals(stamps: Iterable[tuple[int, int]], count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` timestamps returned by `Message.timestamp`, and the arrival times, in milliseconds since 1970.

    Takes an iterator: thousands of tuples that live at once would push the records out of the CPU cache.
    """
    pairs = np.fromiter(chain.from_iterable(stamps), np.int64, 2 * count).reshape(count, 2)
    times, is_arrival = pairs[:, 1].copy(), pairs[:, 0] == TIMESTAMP_LOG_APPEND_TIME
    return times, times if is_arrival.all() else np.where(is_arrival, times, clock.milliseconds())
