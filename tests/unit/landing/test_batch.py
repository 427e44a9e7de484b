"""How records are buffered by topic, and how a batch of them lands."""

from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

from headrace.contracts.landing import landing_schema
from headrace.contracts.topics import TOPICS
from headrace.streaming.landing.batch import Batch, Buffer, Tables, to_tables
from headrace.streaming.landing.byte_column import ByteColumn
from headrace.streaming.landing.files import write
from tests.corpus import valid_order

LANDED_AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
ORDERS = TOPICS["orders"]


def message(partition: int, offset: int, value: bytes | None = b"v") -> Message:
    at = (TIMESTAMP_LOG_APPEND_TIME, 1_700_000_000_000)
    return Message(
        topic="orders", partition=partition, offset=offset, key=b"k", value=value, timestamp=at, leader_epoch=3
    )


def take(buffer: Buffer, *at: tuple[int, int], expected: dict[tuple[str, int], int]) -> int:
    return buffer.append([message(*place) for place in at], expected)


def test_records_below_the_position_and_of_other_partitions_are_dropped() -> None:
    expected = {("orders", 0): 5, ("orders", 1): 0}
    buffer = Buffer(ORDERS)
    assert take(buffer, (0, 3), (0, 4), (0, 5), (2, 9), (1, 0), (0, 6), expected=expected) == 3 * len(b"v")
    assert expected == {("orders", 0): 7, ("orders", 1): 1}
    batch = buffer.take(uuid4(), 0)
    assert list(zip(batch.partitions.tolist(), batch.offsets.tolist(), strict=True)) == [(0, 5), (1, 0), (0, 6)]


def test_a_range_begins_at_the_position_resumed_from_not_at_the_first_record() -> None:
    expected = {("orders", 0): 5}
    buffer = Buffer(ORDERS)
    take(buffer, (0, 8), expected=expected)
    take(buffer, (0, 11), expected=expected)
    batch = buffer.take(uuid4(), 0)
    assert (batch.firsts, batch.nexts) == ({0: 5}, {0: 12})
    take(buffer, (0, 12), expected=expected)
    assert buffer.firsts == {0: 12}


def test_an_empty_buffer_has_no_age_and_a_filled_one_that_of_its_oldest_record() -> None:
    now = 100.0
    buffer = Buffer(ORDERS, clock=lambda: now)
    assert buffer.age == 0.0
    take(buffer, (0, 0), expected={("orders", 0): 0})
    now = 103.0
    assert buffer.age == 3.0


def batch_of(*values: bytes | None, headers: Any = None, topic: str = "orders") -> Batch:
    count, topic_id = len(values), uuid4()
    firsts = {0: 10, 1: 10} if count > 1 else {0: 10}
    return Batch(
        topic=TOPICS[topic],
        topic_id=topic_id,
        log_ids=dict.fromkeys(firsts, topic_id),
        epochs=dict.fromkeys(firsts, 3),
        generation=0,
        values=ByteColumn.of(values, b"" if TOPICS[topic].is_dead_letter else b"\n"),
        survey=None,
        keys=ByteColumn.of([b"k%d" % number for number in range(count)]),
        headers=[headers] * count,
        times=np.full(count, 1_700_000_000_123),
        partitions=np.array([number % 2 for number in range(count)], np.int32),
        offsets=np.array([10 + number // 2 for number in range(count)], np.int64),
        firsts=firsts,
        nexts={0: 10 + (count + 1) // 2, 1: 10 + count // 2} if count > 1 else {0: 11},
    )


def assert_lands_as(rows: pl.DataFrame, schema: pa.Schema, folder: Path) -> None:
    """A file of these rows has the columns and types of the landing schema."""
    stamped = rows.with_columns(pl.lit(LANDED_AT, pl.Datetime("us", "UTC")).alias("_landed_at"))
    file = write(folder, PurePosixPath("landed.parquet"), stamped)
    landed = pq.read_schema(folder / file.path)
    assert landed.names == schema.names
    assert [str(kind).replace("<element:", "<item:") for kind in landed.types] == [str(kind) for kind in schema.types]


def places(tables: Tables) -> list[tuple[int, int, str | None, bool]]:
    assert tables.landed is not None
    return tables.landed.select("_partition", "_offset", "order_id", "_is_tombstone").rows()


def test_good_records_land_in_the_contracts_schema(tmp_path: Path) -> None:
    tables = to_tables(batch_of(valid_order(1), valid_order(2)))
    assert tables.landed is not None
    assert_lands_as(tables.landed, landing_schema(ORDERS), tmp_path)
    assert places(tables) == [(0, 10, "1", False), (1, 10, "2", False)]
    assert tables.quarantined is None


def test_tombstones_land_with_their_key_beside_events_and_offenders_are_set_apart(tmp_path: Path) -> None:
    values = (valid_order(0), None, b"bad", valid_order(3), None, b"worse", valid_order(6))
    tables = to_tables(batch_of(*values, headers=[("a", b"1"), ("b", None)]))
    assert tables.landed is not None
    assert tables.quarantined is not None
    assert_lands_as(tables.landed, landing_schema(ORDERS), tmp_path)
    assert places(tables) == [
        (0, 10, "0", False),
        (1, 10, None, True),
        (1, 11, "3", False),
        (0, 12, None, True),
        (0, 13, "6", False),
    ]
    assert tables.landed["_key"].to_list() == [b"k0", b"k1", b"k3", b"k4", b"k6"]
    assert tables.quarantined.select("_value", "_partition", "_offset", "_key").rows() == [
        (b"bad", 0, 11, b"k2"),
        (b"worse", 1, 12, b"k5"),
    ]
    headers = [{"key": "a", "value": b"1"}, {"key": "b", "value": None}]
    assert tables.quarantined["_headers"].to_list() == [headers, headers]
    assert [(r.partition, r.first, r.next, r.rows, r.quarantined) for r in tables.ranges] == [
        (0, 10, 14, 3, 1),
        (1, 10, 13, 2, 1),
    ]


@pytest.mark.parametrize(
    ("values", "rows", "quarantined"), [((None, None), 2, 0), ((b"bad", b""), 0, 2), ((b"bad", None), 1, 1)]
)
def test_a_batch_without_a_single_event_lands_all_the_same(
    values: tuple[bytes | None, ...], rows: int, quarantined: int
) -> None:
    tables = to_tables(batch_of(*values))
    assert (0 if tables.landed is None else tables.landed.height) == rows
    assert (0 if tables.quarantined is None else tables.quarantined.height) == quarantined
    assert tables.event_times is None


def test_dead_letters_land_as_they_are(tmp_path: Path) -> None:
    tables = to_tables(batch_of(b"\xff\x00", None, topic="orders.dlq"))
    assert tables.landed is not None
    assert_lands_as(tables.landed, landing_schema(TOPICS["orders.dlq"]), tmp_path)
    assert tables.landed["_value"].to_list() == [b"\xff\x00", None]
