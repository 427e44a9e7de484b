"""Parses Kafka's record batches (format 2): headers, content up to a size limit, and records. Pure.

The format: https://kafka.apache.org/documentation/#messageformat
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

import pyarrow as pa

MAX_INFLATED_BYTES = 64 << 20
"""Largest decompressed size of a batch. Topics accept batches of 1 MB as sent; JSON rarely compresses 20 times."""

MAX_RECORDS = 500_000
"""Maximum records per batch: 1 MB, compressed, may hold 1,300,000 tiny ones, and each takes 400 bytes as an object."""

_HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH_FIELDS = 12
"""Bytes of base offset and length, which the length field does not include."""
_CHECKED_FROM = 21
"""Start of the bytes that the checksum covers."""
_MAGIC_AT = 16
_FORMAT = 2
_CODEC, _LOG_APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20
_NONE, _GZIP, _SNAPPY, _LZ4, _ZSTD = range(5)
_NAMES = {_GZIP: "gzip", _SNAPPY: "snappy", _LZ4: "lz4", _ZSTD: "zstd"}
_XERIAL, _XERIAL_HEADER = b"\x82SNAPPY\x00", 16
_PIECE = 1 << 20
_TWO_63, _TWO_64 = 1 << 63, 1 << 64


class Damaged(Exception):  # noqa: N818  a result, not a failure
    """A batch cannot be read; the message is the reason, without any of the content."""


class RawRecord(NamedTuple):
    """A record as stored in its batch; `timestamp` in milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[bytes, bytes | None]]


@dataclass(frozen=True)
class Batch:
    """A batch with offsets `first` to `next - 1`, as the broker stores it. `count` is from its header."""

    first: int
    next: int
    count: int
    leader_epoch: int
    attributes: int
    base_time: int
    max_time: int
    producer_id: int
    content: bytes

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & _CONTROL)

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & _TRANSACTIONAL)

    @property
    def has_broker_time(self) -> bool:
        """Whether the timestamps of all records were set by the broker."""
        return bool(self.attributes & _LOG_APPEND_TIME)

    @property
    def codec(self) -> str:
        """Name of the compression."""
        return _NAMES.get(self.attributes & _CODEC, "none")


def split(data: bytes) -> Iterator[Batch]:
    """The complete batches at the start of a fetched part of a log; a truncated batch at its end is left out.

    Raises:
        Damaged: the data is not a sequence of batches of format 2.
    """
    at = 0
    while at + _MAGIC_AT < len(data):
        if data[at + _MAGIC_AT] != _FORMAT:
            raise Damaged(f"batch of format {data[at + _MAGIC_AT]}")
        length = int.from_bytes(data[at + 8 : at + 12], "big", signed=True)
        end = at + _LENGTH_FIELDS + length
        if length < _HEADER.size - _LENGTH_FIELDS:
            raise Damaged(f"batch of {length} bytes")
        if end > len(data):
            return
        base, _, epoch, _, _, attributes, last_delta, base_time, max_time, producer_id, _, _, count = (
            _HEADER.unpack_from(data, at)
        )
        following = base + max(last_delta, 0) + 1
        yield Batch(base, following, count, epoch, attributes, base_time, max_time, producer_id, data[at:end])
        at = end


def check_crc(batch: Batch) -> None:
    """Raise `Damaged` if the checksum does not match. Slow: some tenths of a second for 1 MB."""
    from kafka.record.util import calc_crc32c

    (expected,) = struct.unpack_from(">I", batch.content, _CHECKED_FROM - 4)
    if calc_crc32c(memoryview(batch.content)[_CHECKED_FROM:]) != expected:
        raise Damaged("checksum does not match")


def records(batch: Batch, limit: int = MAX_INFLATED_BYTES) -> list[RawRecord]:
    """The records of a batch. Uses at most a few times `limit` bytes of memory.

    Raises:
        Damaged: it cannot be decompressed, its content is larger than `limit`, has more than `MAX_RECORDS` records, or
        is
            not a sequence of records with the offsets of the batch.
    """
    if batch.count > MAX_RECORDS:
        raise Damaged(f"more than {MAX_RECORDS} records")
    data = _inflated(batch, limit)
    found: list[RawRecord] = []
    at, following = 0, batch.first
    try:
        for _ in range(batch.count):
            length, start = _varint(data, at)
            at = start + length
            if length < 0 or at > len(data):
                raise Damaged("record is cut off")
            record = _record(batch, data[start:at])
            if not following <= record.offset < batch.next:
                raise Damaged("offset is not of the batch")
            found.append(record)
            following = record.offset + 1
    except IndexError:
        raise Damaged("record is cut off") from None
    return found


def _record(batch: Batch, body: bytes) -> RawRecord:
    time_delta, at = _varint(body, 1)
    offset_delta, at = _varint(body, at)
    key, at = _bytes(body, at)
    value, at = _bytes(body, at)
    count, at = _varint(body, at)
    headers: list[tuple[bytes, bytes | None]] = []
    for _ in range(count):
        name, at = _bytes(body, at)
        content, at = _bytes(body, at)
        headers.append((name or b"", content))
    # Both are 64 bits wide; the sum wraps around as in the clients.
    time = batch.max_time if batch.has_broker_time else (batch.base_time + time_delta + _TWO_63) % _TWO_64 - _TWO_63
    return RawRecord(batch.first + offset_delta, time, key, value, headers)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag-encoded integer, and the start of the next field."""
    result = shift = 0
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (result >> 1) ^ -(result & 1), at
        shift += 7
        if shift > 63:
            raise Damaged("integer is too long")


def _bytes(data: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = _varint(data, at)
    if length < 0:
        return None, at
    if at + length > len(data):
        raise Damaged("field is cut off")
    return data[at : at + length], at + length


# --- inflating, within a limit ----------------------------------------------------------------------------------------


def _inflated(batch: Batch, limit: int) -> bytes:
    data = memoryview(batch.content)[_HEADER.size :]
    codec = batch.attributes & _CODEC
    if codec == _NONE:
        return bytes(data)
    try:
        if codec == _GZIP:
            return _gunzip(data, limit)
        if codec == _SNAPPY:
            return _unsnap(bytes(data), limit)
        if codec in (_LZ4, _ZSTD):
            return _stream(data, batch.codec, limit)
    except (zlib.error, OSError, struct.error, ValueError):  # pa.ArrowInvalid is a ValueError
        raise Damaged(f"{batch.codec} is damaged") from None
    raise Damaged(f"compressed by unknown codec {codec}")


def _too_large(limit: int) -> Damaged:
    return Damaged(f"inflates to more than {limit} bytes")


def _gunzip(data: memoryview, limit: int) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    content = inflater.decompress(data, limit + 1)
    if len(content) > limit:
        raise _too_large(limit)
    if not inflater.eof:
        raise ValueError("cut off")
    return content


def _stream(data: memoryview, codec: str, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    with pa.CompressedInputStream(pa.BufferReader(data), codec) as stream:
        while piece := cast("bytes", stream.read(_PIECE)):
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            pieces.append(piece)
    return b"".join(pieces)


def _unsnap(data: bytes, limit: int) -> bytes:
    """Java clients write blocks after their own header, others a single block."""
    if not data.startswith(_XERIAL):
        return _unsnap_block(data, limit)
    pieces: list[bytes] = []
    at, left = _XERIAL_HEADER, limit
    while at < len(data):
        (length,) = struct.unpack_from(">i", data, at)
        at += 4
        if length < 0 or at + length > len(data):
            raise ValueError("cut off")
        pieces.append(_unsnap_block(data[at : at + length], left))
        left -= len(pieces[-1])
        at += length
    return b"".join(pieces)


def _unsnap_block(block: bytes, limit: int) -> bytes:
    size = shift = 0
    for byte in block[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if size > limit:
        raise _too_large(limit)
    return cast("bytes", pa.Codec("snappy").decompress(block, decompressed_size=size, asbytes=True))
