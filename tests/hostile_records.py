"""Record batches that no producer of ours would write: made byte by byte, and sent as they are.

`odd_records` draws records from a seeded generator for fuzzing; `RawProducer` sends batches to a real broker.
"""

import gzip
import random
import struct
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
from kafka.protocol.producer import ProduceRequest
from kafka.record.util import calc_crc32c

from headrace.streaming.runtime.careful.broker import RawConnection
from tests.corpus import CASES, valid_order

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
CODECS = (NONE, GZIP, SNAPPY, LZ4, ZSTD)
NOW_MS = 1_795_770_000_000
INT64_MIN = -(1 << 63)
_LZ4_FRAME, _LZ4_BLOCK_BYTES, _LZ4_PLAIN = b"\x04\x22\x4d\x18\x60\x40\x82", 65_536, 1 << 31
_LAST_VERSION_BY_NAME = 12
_NO_LEADER_YET, _SETTLING_SECONDS = (3, 5, 6), 20.0

Headers = Sequence[tuple[bytes, bytes | None]]


class Record(NamedTuple):
    """A record of a batch; its timestamp is the batch's plus `delay_ms`."""

    value: bytes | None
    key: bytes | None = b"k"
    headers: Headers = ()
    delay_ms: int = 0


def varint(number: int) -> bytes:
    """Zigzag encoding."""
    left = ((number << 1) ^ (number >> 63)) & ((1 << 64) - 1)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes(out) + bytes([left])


def _field(content: bytes | None) -> bytes:
    return varint(-1) if content is None else varint(len(content)) + content


def encoded(records: Sequence[Record]) -> bytes:
    """The content of a batch."""
    bodies = [
        b"\0"
        + varint(record.delay_ms)
        + varint(place)
        + _field(record.key)
        + _field(record.value)
        + varint(len(record.headers))
        + b"".join(_field(name) + _field(content) for name, content in record.headers)
        for place, record in enumerate(records)
    ]
    return b"".join(varint(len(body)) + body for body in bodies)


def compressed(codec: int, content: bytes) -> bytes:
    """As clients compress it."""
    if codec == GZIP:
        return gzip.compress(content, 9)
    if codec == SNAPPY:
        return bytes(pa.Codec("snappy").compress(content, asbytes=True))
    if codec == LZ4:
        return _lz4(content)
    if codec == ZSTD:
        return bytes(pa.Codec("zstd").compress(content, asbytes=True))
    return content


def _lz4(content: bytes) -> bytes:
    """A frame of independent blocks, the only ones that Kafka reads."""
    raw, pieces = pa.Codec("lz4_raw"), [_LZ4_FRAME]
    for at in range(0, len(content), _LZ4_BLOCK_BYTES):
        block = content[at : at + _LZ4_BLOCK_BYTES]
        small = bytes(raw.compress(block, asbytes=True))
        plain = len(small) >= len(block)
        pieces += [struct.pack("<I", len(block) | _LZ4_PLAIN if plain else len(small)), block if plain else small]
    return b"".join([*pieces, b"\0\0\0\0"])


def batch(
    records: Sequence[Record], codec: int = NONE, *, time_ms: int = NOW_MS, content: bytes | None = None, count: int = 0
) -> bytes:
    """A batch with a right checksum. `content` and `count` stand for what it really holds."""
    body = compressed(codec, encoded(records)) if content is None else content
    number = count or len(records)
    checked = struct.pack(">hiqqqhii", codec, number - 1, time_ms, time_ms, -1, -1, -1, number) + body
    return struct.pack(">qiibI", 0, len(checked) + 9, 0, 2, calc_crc32c(checked)) + checked


def bomb(codec: int, megabytes: int) -> bytes:
    """A batch of one record of so many megabytes."""
    return batch([Record(b"a" * (megabytes << 20))], codec)


def odd_records(seed: int, count: int) -> Iterator[Record]:
    """Records of the topic `orders` with random keys, values, headers and timestamps: valid ones, and ones that are
    known to break readers."""
    chance = random.Random(seed)
    bad = [case.value for case in CASES if len(case.value) < 10_000]

    def text(most: int) -> bytes:
        return chance.choice([chance.randbytes(chance.randrange(most)), b"", b"\xff\xfe", "é\0ü".encode(), b"a" * most])

    for number in range(count):
        draw = chance.random()
        value = valid_order(number) if draw < 0.6 else chance.choice(bad) if draw < 0.8 else text(300)
        headers = [(text(40), chance.choice([None, text(60)])) for _ in range(chance.choice([0, 0, 0, 1, 3]))]
        delay = chance.choice([0, 0, 0, -1, chance.randrange(-(10**15), 0), INT64_MIN, INT64_MIN - NOW_MS])
        yield Record(
            None if chance.random() < 0.05 else value,
            None if chance.random() < 0.05 else chance.choice([b"k", text(50)]),
            headers,
            max(delay, INT64_MIN),
        )


class RawProducer(RawConnection):
    """Sends batches as they are; a context."""

    def send(self, topic: str, partition: int, data: bytes) -> int | None:
        """The offset of the batch; None where the broker refuses it."""
        kind: Any = ProduceRequest
        piece = kind.TopicProduceData.PartitionProduceData(index=partition, records=data)
        request = kind(
            transactional_id=None,
            acks=-1,
            timeout_ms=30_000,
            topic_data=[kind.TopicProduceData(name=topic, partition_data=[piece])],
            max_version=_LAST_VERSION_BY_NAME,
        )
        node = self.nodes()[0]
        deadline = time.monotonic() + _SETTLING_SECONDS
        while True:
            answer = self.ask(request, node)
            result = answer.responses[0].partition_responses[0]
            if result.error_code not in _NO_LEADER_YET or time.monotonic() > deadline:
                return None if result.error_code else int(result.base_offset)
            time.sleep(0.1)
