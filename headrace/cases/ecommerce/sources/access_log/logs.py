"""Identifies logs by content, so that a log is read once even if its files are renamed, copied or compressed.

A log is identified by its beginning and the last line read. A file with both is that log or a copy of it; a file with
only the beginning that is shorter than what was read is an older copy.
"""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from msgspec import Struct

from headrace.contracts.errors import Terminal
from headrace.streaming.sources.files import fingerprint
from headrace.streaming.sources.unpacking import CHUNK_BYTES, packing_of, unpacked

HEAD_BYTES = (256, 1_024, 4_096)
"""Lengths of the beginnings that identify a log, as far as it was read."""
_LARGEST_HEAD = HEAD_BYTES[-1]
_SIZE_FIELD_BYTES = 4


class Log(Struct, frozen=True):
    """How far a log was read, and what identifies it."""

    fingerprint: str
    offset: int
    number: int
    """Number of the line that begins at `offset`."""
    heads: list[str]
    last: str
    """Hash of the `last_bytes` before `offset`: the last line read, with its newline."""
    last_bytes: int


Likeness = Literal["same", "shorter", "other"]


def digest(content: bytes) -> str:
    """A short hash that distinguishes contents."""
    return sha256(content).hexdigest()[:16]


def heads_of(head: bytes, offset: int) -> list[str]:
    """Hashes of the beginnings of a log that was read to `offset`."""
    return [digest(head[:length]) for length in HEAD_BYTES if length <= min(offset, len(head))]


class Content(Protocol):
    """The uncompressed content of a file."""

    @property
    def head(self) -> bytes:
        """The first bytes, as long as the longest beginning."""
        ...

    def likeness(self, log: Log) -> Likeness:
        """Whether this is the log."""
        ...

    def chunks(self, offset: int) -> Iterator[bytes]:
        """The content from `offset` on, as far as it is written now."""
        ...


def begins_like(head: bytes, log: Log) -> bool:
    """Whether content with this head may be the log, by the longest beginning that both have, or by the first line."""
    shared = min(sum(length <= len(head) for length in HEAD_BYTES), len(log.heads))
    if shared:
        return digest(head[: HEAD_BYTES[shared - 1]]) == log.heads[shared - 1]
    first = next((line for line in head.split(b"\n")[:-1] if line.strip()), None)
    return first is not None and fingerprint(first) == log.fingerprint


class Plain:
    """A file that may still grow."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle

    @property
    def size(self) -> int:
        return os.fstat(self._handle.fileno()).st_size

    @property
    def changed_at(self) -> float:
        """When it was last written, in seconds since 1970."""
        return os.fstat(self._handle.fileno()).st_mtime

    @property
    def head(self) -> bytes:
        return self.read(0, _LARGEST_HEAD)

    def read(self, offset: int, count: int) -> bytes:
        """At most `count` bytes."""
        return os.pread(self._handle.fileno(), count, offset)

    def likeness(self, log: Log) -> Likeness:
        if not begins_like(self.head, log):
            return "other"
        if self.size < log.offset:
            return "shorter"
        return "same" if self.still_holds(log) else "other"

    def still_holds(self, log: Log) -> bool:
        """Whether the last line read is still where it was read."""
        return digest(self.read(log.offset - log.last_bytes, log.last_bytes)) == log.last

    def chunks(self, offset: int) -> Iterator[bytes]:
        while chunk := self.read(offset, CHUNK_BYTES):
            offset += len(chunk)
            yield chunk

    def close(self) -> None:
        self._handle.close()


class Compressed:
    """A compressed file; to find its rest, it is read from the beginning."""

    def __init__(self, handle: BinaryIO, path: Path) -> None:
        self._handle = handle
        self._path = path
        self._head: bytes | None = None
        handle.seek(0)
        self._is_gzip = packing_of(handle.read(2)) == "gzip"

    @property
    def head(self) -> bytes:
        if self._head is None:
            self._head = b""
            for chunk in unpacked(self._handle, self._path):
                self._head += chunk[: _LARGEST_HEAD - len(self._head)]
                if len(self._head) == _LARGEST_HEAD:
                    break
        return self._head

    def likeness(self, log: Log) -> Likeness:
        """A damaged file is `shorter` if its readable part is."""
        if not begins_like(self.head, log):
            return "other"
        if self._is_gzip and self._stated_size() == log.offset % 2**32:
            return "same"
        size, before = 0, b""
        try:
            for chunk in unpacked(self._handle, self._path):
                wanted = log.offset - size
                before = (before + chunk[:wanted])[-log.last_bytes :]
                size += len(chunk)
                if size >= log.offset:
                    return "same" if digest(before) == log.last else "other"
        except Terminal:
            return "shorter"
        return "shorter"

    def chunks(self, offset: int) -> Iterator[bytes]:
        """Raises `Terminal` if the file is damaged or incomplete; it may still be written."""
        size = 0
        for chunk in unpacked(self._handle, self._path):
            if size + len(chunk) > offset:
                yield chunk[max(0, offset - size) :]
            size += len(chunk)

    def _stated_size(self) -> int:
        """The uncompressed size as the end of the file states it; of several members, that of the last one."""
        self._handle.seek(-_SIZE_FIELD_BYTES, os.SEEK_END)
        return int.from_bytes(self._handle.read(_SIZE_FIELD_BYTES), "little")
