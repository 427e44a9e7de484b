"""An error while decoding a record affects that record alone."""

from uuid import uuid4

import polars as pl
import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message
from polars.exceptions import PanicException

from headrace.contracts.topics import TOPICS
from headrace.contracts.types import Event
from headrace.streaming.landing import batch as batches
from headrace.streaming.landing import upcasting
from headrace.streaming.landing.batch import Batch, Buffer
from headrace.streaming.landing.byte_column import ByteColumn
from headrace.streaming.landing.columnar import Decoded, Survey, decode_batch
from headrace.streaming.landing.isolation import tables_of
from tests.corpus import valid_order

POISON = b'{"poison": 1}'


def gathered(values: list[bytes | None], topic: str = "orders") -> Batch:
    buffer, at = Buffer(TOPICS[topic]), (TIMESTAMP_LOG_APPEND_TIME, 1_700_000_000_000)
    messages = [
        Message(topic=topic, partition=place % 2, offset=place, key=b"k", value=value, timestamp=at)
        for place, value in enumerate(values)
    ]
    buffer.append(messages, {(topic, 0): 0, (topic, 1): 0})
    return buffer.take(uuid4(), generation=0)


@pytest.mark.parametrize("kind", [PanicException, OverflowError])
def test_a_record_that_decoding_raises_for_is_quarantined_alone(
    monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    def raising(contract: type[Event], values: ByteColumn, text: Survey | None = None) -> Decoded:
        if POISON in values.all():
            raise kind("quotes the record")
        return decode_batch(contract, values, text)

    values = [POISON if place in (3, 40) else None if place == 8 else valid_order(place) for place in range(50)]
    whole = tables_of(gathered(values))
    monkeypatch.setattr(upcasting, "decode_batch", raising)
    tables = tables_of(gathered(values))
    assert tables.landed is not None
    assert tables.landed["_offset"].to_list() == [place for place in range(50) if place not in (3, 40)]
    assert tables.quarantined is not None
    assert tables.quarantined["_value"].to_list() == [POISON, POISON]
    assert tables.quarantined["_offset"].to_list() == [3, 40]
    assert set(tables.quarantined["_reason"]) == {f"not decodable: {kind.__name__}"}
    assert [(r.rows, r.quarantined) for r in tables.ranges] == [(r.rows, r.quarantined) for r in whole.ranges]
    assert [r.fingerprint for r in tables.ranges] == [r.fingerprint for r in whole.ranges]
    assert tables.event_times == whole.event_times


def test_a_dead_letter_that_columns_cannot_hold_lands_with_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = batches.record_columns

    def raising(batch: Batch) -> pl.DataFrame:
        if batch.headers[-1] is None and 1 in batch.offsets and b"k" in batch.keys.all():
            raise PanicException("from Rust")
        return made(batch)

    monkeypatch.setattr(batches, "record_columns", raising)
    monkeypatch.setattr("headrace.streaming.landing.isolation.record_columns", raising)
    tables = tables_of(gathered([b"a", b"b", b"c"], "orders.dlq"))
    assert tables.landed is not None
    assert tables.landed.select("_value", "_key").rows() == [(b"a", b"k"), (b"b", None), (b"c", b"k")]


def test_a_lack_of_memory_does_not_reject_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(*_: object) -> Decoded:
        raise MemoryError

    monkeypatch.setattr(upcasting, "decode_batch", raising)
    with pytest.raises(MemoryError):
        tables_of(gathered([valid_order(1)]))
