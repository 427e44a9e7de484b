"""When a record arrived: by the broker, or where the topic keeps its clients' times by the reader's clock."""

import time

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, TIMESTAMP_NOT_AVAILABLE

from headrace.streaming.runtime.arrival import times_and_arrivals


@pytest.mark.parametrize("clients_time", [-1, 0, -(2**63), 2**63 - 1])
def test_a_clients_time_is_never_taken_for_arrival(clients_time: int) -> None:
    before = time.time_ns() // 1_000_000
    kinds = (TIMESTAMP_LOG_APPEND_TIME, TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE)
    stamps = [(kind, 77 if kind == TIMESTAMP_LOG_APPEND_TIME else clients_time) for kind in kinds]
    times, arrived = times_and_arrivals(stamps, len(stamps))
    assert times.tolist() == [when for _, when in stamps]
    broker, *others = arrived.tolist()
    assert broker == 77
    assert all(before <= each <= time.time_ns() // 1_000_000 for each in others)


def test_no_records_have_no_arrival() -> None:
    assert [each.tolist() for each in times_and_arrivals([], 0)] == [[], []]
