"""Kafka's record batches, read within a limit."""

import tracemalloc

import pytest
from kafka.record.default_records import DefaultRecordBatch

from headrace.streaming.runtime.careful.batches import MAX_RECORDS, Damaged, RawRecord, check_crc, records, split
from tests.hostile_records import (
    CODECS,
    GZIP,
    LZ4,
    NONE,
    NOW_MS,
    SNAPPY,
    ZSTD,
    Record,
    batch,
    bomb,
    odd_records,
    varint,
)

ODD = Record(b"v", None, [(b"\xff\xfe", b"x"), (b"name", None)], -5)
CUT = {GZIP: "gzip is damaged", SNAPPY: "snappy is damaged", LZ4: "lz4 is damaged", ZSTD: "zstd is damaged"}


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_is_read_as_it_was_written(codec: int) -> None:
    (found,) = split(batch([ODD, Record(None)], codec))
    check_crc(found)
    assert (found.first, found.next, found.count) == (0, 2, 2)
    assert records(found) == [
        RawRecord(0, NOW_MS - 5, None, b"v", [(b"\xff\xfe", b"x"), (b"name", None)]),
        RawRecord(1, NOW_MS, b"k", None, []),
    ]


def test_records_are_those_that_kafka_python_reads() -> None:
    plain = [record._replace(headers=()) for record in odd_records(seed=3, count=200)]
    data = batch(plain, GZIP)
    (found,) = split(data)
    theirs = list(DefaultRecordBatch(data))
    assert [(r.offset, r.key, r.value) for r in records(found)] == [(r.offset, r.key, r.value) for r in theirs]


def test_what_is_cut_off_at_the_end_of_a_piece_is_left_out() -> None:
    one = batch([ODD])
    assert [len(list(split(one * 2 + one[:cut]))) for cut in (0, 5, 30, len(one) - 1)] == [2, 2, 2, 2]


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_a_bomb_is_refused_within_the_limit_of_memory(codec: int) -> None:
    (found,) = split(bomb(codec, 40))
    tracemalloc.start()
    try:
        with pytest.raises(Damaged, match="inflates to more than 8388608 bytes"):
            records(found, limit=8 << 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_damaged_compression_is_a_verdict(codec: int) -> None:
    whole = batch([Record(bytes(range(256)) * 40)], codec)[61:]
    for content in (whole[: len(whole) // 2], b"", b"\xff" * 40):
        (found,) = split(batch([ODD], codec, content=content))
        with pytest.raises(Damaged, match=f"{CUT[codec]}|cut off|inflates"):
            records(found)


@pytest.mark.parametrize(
    ("content", "count"),
    [(b"", 1), (b"\x80" * 12, 1), (b"\x0a\0", 1), (b"\x02", 2**31 - 1), (b"\x0c\0\0\0\xfe\x01\xfe", 1)],
)
def test_content_that_is_no_records_is_a_verdict(content: bytes, count: int) -> None:
    (found,) = split(batch([ODD], NONE, content=content, count=count))
    with pytest.raises(Damaged):
        records(found)


def test_an_unknown_codec_and_a_wrong_checksum_are_verdicts() -> None:
    (unknown,) = split(batch([ODD], 6, content=b"x"))
    with pytest.raises(Damaged, match="unknown codec 6"):
        records(unknown)
    data = bytearray(batch([ODD]))
    data[-1] ^= 1
    (altered,) = split(bytes(data))
    with pytest.raises(Damaged, match="checksum"):
        check_crc(altered)


@pytest.mark.parametrize("deltas", [(0, 2), (1, 1), (1, 0), (-1, 1), (2**40, 1)])
def test_records_with_offsets_of_another_batch_are_a_verdict(deltas: tuple[int, int]) -> None:
    bodies = [b"\0" + varint(0) + varint(delta) + varint(-1) + varint(-1) + varint(0) for delta in deltas]
    content = b"".join(varint(len(body)) + body for body in bodies)
    (found,) = split(batch([ODD, ODD], NONE, content=content))
    with pytest.raises(Damaged, match="offset is not of the batch"):
        records(found)


def test_a_batch_of_more_records_than_memory_takes_is_refused() -> None:
    (found,) = split(batch([ODD], NONE, count=MAX_RECORDS + 1))
    with pytest.raises(Damaged, match="more than 500000 records"):
        records(found)
