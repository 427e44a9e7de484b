"""The fingerprint of a range of records, and which log an offset belongs to."""

from datetime import UTC, datetime
from uuid import uuid4

import numpy as np
import pytest

from headrace.contracts.landing import log_id
from headrace.contracts.topics import TOPICS
from headrace.streaming.landing import fingerprints
from headrace.streaming.landing.batch import Batch
from headrace.streaming.landing.byte_column import ByteColumn
from headrace.streaming.landing.contents import Log, logs_of
from headrace.streaming.landing.fingerprints import Fingerprint
from headrace.streaming.landing.positions import Position
from headrace.streaming.landing.truncations import Truncation

VALUES = [b"a", None, b"", b"four", b"5", b"sixsix", None]
KEYS = [None, b"k", b"", b"key", None, b"x", b"yy"]


def batch(partitions: list[int], topic: str = "orders") -> Batch:
    count, topic_id = len(partitions), uuid4()
    separator = b"" if TOPICS[topic].is_dead_letter else b"\n"
    return Batch(
        topic=TOPICS[topic],
        topic_id=topic_id,
        log_ids=dict.fromkeys(partitions, topic_id),
        epochs=dict.fromkeys(partitions, 0),
        generation=0,
        values=ByteColumn.of(VALUES[:count], separator),
        survey=None,
        keys=ByteColumn.of(KEYS[:count]),
        headers=[None] * count,
        times=np.arange(count, dtype=np.int64) + 1_000,
        partitions=np.array(partitions, np.int32),
        offsets=np.arange(count, dtype=np.int64),
        firsts=dict.fromkeys(partitions, 0),
        nexts=dict.fromkeys(partitions, count),
    )


def one_by_one(places: list[int], topic: str = "orders") -> bytes:
    state, separator = Fingerprint(), b"" if TOPICS[topic].is_dead_letter else b"\n"
    for at in places:
        state.update(
            np.array([at]), np.array([at + 1_000]), ByteColumn.of([KEYS[at]]), ByteColumn.of([VALUES[at]], separator)
        )
    return state.digest()


@pytest.mark.parametrize("topic", ["orders", "orders.dlq"])
@pytest.mark.parametrize("partitions", [[0] * 7, [0, 1, 0, 2, 1, 0, 2], [5, 5, 5, 0, 0, 0, 0]])
def test_a_fingerprint_is_the_same_however_records_are_batched(partitions: list[int], topic: str) -> None:
    found = fingerprints.of_batch(batch(partitions, topic))
    for partition in set(partitions):
        places = [at for at, each in enumerate(partitions) if each == partition]
        assert found[partition].records == one_by_one(places, topic)
        assert found[partition].last_record == one_by_one(places[-1:], topic)


@pytest.mark.parametrize("change", ["offset", "time", "key", "value", "null"])
def test_any_other_record_has_another_fingerprint(change: str) -> None:
    state = Fingerprint()
    state.update(
        np.array([3 + (change == "offset")]),
        np.array([1_003 + (change == "time")]),
        ByteColumn.of([b"kez" if change == "key" else b"key"]),
        ByteColumn.of([None if change == "null" else b"fouR" if change == "value" else b"four"], b"\n"),
    )
    assert state.digest() != one_by_one([3])


def test_each_log_ends_where_the_broker_lost_it_though_a_later_one_lost_more() -> None:
    topic_id = uuid4()
    ids = [log_id(topic_id, 0, number) for number in range(3)]
    lost = [
        Truncation("orders", topic_id, 0, ids[0], ids[1], 500, 1_000, 1, datetime.now(UTC)),
        Truncation("orders", topic_id, 1, topic_id, uuid4(), 1, 2, 1, datetime.now(UTC)),
        Truncation("orders", topic_id, 0, ids[1], ids[2], 400, 700, 2, datetime.now(UTC)),
    ]
    position = Position(topic_id, 0, "orders", 0, 450, None, ids[2], 2, None, None)
    assert len(set(ids)) == 3
    assert ids[0] == topic_id
    assert logs_of(position, lost) == [
        Log(ids[0], 0, 400, 1_000),
        Log(ids[1], 500, 400, 700),
        Log(ids[2], 400, None, 450),
    ]
