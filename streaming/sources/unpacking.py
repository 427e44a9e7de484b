"""Detects the compression of a file by its first bytes, not its name, and decompresses it.

Files are read in small chunks, so one that decompresses to many times its size takes no more memory than any other.
"""

import bz2
import codecs
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa

from headrace.contracts.errors import Terminal

CHUNK_BYTES = 262_144
HEAD_BYTES = 8
"""The number of first bytes that identify the compression."""
XZ_MEMORY_BYTES = 128 * 1024 * 1024
"""Memory limit of xz; `xz -9` needs half of it."""
_GZIP_WBITS = 31
_ZEROS = b"\0"
_BLOCK_BYTES = 65_536

UTF_16 = "UTF-16"

Unpack = Callable[[BinaryIO, Path], Iterator[bytes]]


class _Decoder(Protocol):
    """The interface of the decoders of `bz2` and `lzma`."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def packing_of(head: bytes) -> str | None:
    """The compression or encoding of a file that begins with `head`, such as `gzip`; None for a plain file."""
    return next((name for magic, name, _ in _PACKINGS if head.startswith(magic)), None)


def unpacked(handle: BinaryIO, path: Path) -> Iterator[bytes]:
    """The decompressed bytes of an open file, from its beginning. `path` is for messages.

    Raises:
        Terminal: its compression is not supported, it is damaged, or it ends in the middle.
    """
    handle.seek(0)
    head = handle.read(HEAD_BYTES)
    handle.seek(0)
    unpack = next((unpack for magic, _, unpack in _PACKINGS if head.startswith(magic)), _plain)
    yield from unpack(handle, path)


def _plain(handle: BinaryIO, path: Path) -> Iterator[bytes]:  # noqa: ARG001
    while chunk := handle.read(CHUNK_BYTES):
        yield chunk


def _gzip(handle: BinaryIO, path: Path) -> Iterator[bytes]:
    decoder = zlib.decompressobj(_GZIP_WBITS)
    data = handle.read(CHUNK_BYTES)
    try:
        while data:
            if out := decoder.decompress(data, CHUNK_BYTES):
                yield out
            data = decoder.unconsumed_tail or (b"" if decoder.eof else handle.read(CHUNK_BYTES))
            if decoder.eof:
                data = _next_member(decoder.unused_data, handle)
                if not data:
                    return
                decoder = zlib.decompressobj(_GZIP_WBITS)
        if out := decoder.flush():
            yield out
    except zlib.error as error:
        raise _damaged(path, "is damaged") from error
    if not decoder.eof:
        raise _damaged(path, "ends in the middle")


def _next_member(rest: bytes, handle: BinaryIO) -> bytes:
    """The beginning of the next member: a file may have several, and zeros as padding after the last."""
    data = rest.lstrip(_ZEROS)
    while not data and (more := handle.read(CHUNK_BYTES)):
        data = more.lstrip(_ZEROS)
    return data


def _by(make: Callable[[], _Decoder]) -> Unpack:
    """Decompress with a decoder of the standard library, one for each member."""

    def unpack(handle: BinaryIO, path: Path) -> Iterator[bytes]:
        decoder, data = make(), handle.read(CHUNK_BYTES)
        try:
            while True:
                if out := decoder.decompress(data, CHUNK_BYTES):
                    yield out
                data = b""
                if decoder.eof:
                    data = _next_member(decoder.unused_data, handle)
                    if not data:
                        return
                    decoder = make()
                elif decoder.needs_input and not (data := handle.read(CHUNK_BYTES)):
                    raise _damaged(path, "ends in the middle")
        except (OSError, EOFError, lzma.LZMAError) as error:
            raise _damaged(path, "is damaged") from error

    return unpack


class _StaysOpen:
    """A file that Arrow cannot close."""

    closed = False

    def __init__(self, handle: BinaryIO) -> None:
        self.read = handle.read

    def close(self) -> None: ...


def _by_arrow(codec: str) -> Unpack:
    def unpack(handle: BinaryIO, path: Path) -> Iterator[bytes]:
        try:
            stream = pa.CompressedInputStream(pa.PythonFile(_StaysOpen(handle), mode="r"), codec)
            while chunk := stream.read(_BLOCK_BYTES):
                yield chunk
        except OSError as error:
            raise _damaged(path, "ends in the middle" if "Truncated" in str(error) else "is damaged") from error

    return unpack


def _utf_16(handle: BinaryIO, path: Path) -> Iterator[bytes]:
    """As UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-16")()
    try:
        while chunk := handle.read(CHUNK_BYTES):
            yield decoder.decode(chunk).encode()
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        raise _damaged(path, "is damaged") from error


def _unsupported(what: str) -> Unpack:
    def unpack(handle: BinaryIO, path: Path) -> Iterator[bytes]:  # noqa: ARG001
        raise Terminal(f"{path} is {what}, which is not supported.", remedy="Unpack it, and give the text files in it.")
        yield b""  # a generator, as the others are

    return unpack


def _damaged(path: Path, what: str) -> Terminal:
    return Terminal(
        f"{path} {what}: its complete lines up to that point were read.",
        remedy="Copy the file again and repeat: events that were sent already keep their ids.",
    )


_PACKINGS: tuple[tuple[bytes, str, Unpack], ...] = (
    (b"\x1f\x8b", "gzip", _gzip),
    (b"BZh", "bzip2", _by(bz2.BZ2Decompressor)),
    (b"\xfd7zXZ\0", "xz", _by(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES))),
    (b"\x28\xb5\x2f\xfd", "zstd", _by_arrow("zstd")),
    (b"\x04\x22\x4d\x18", "lz4", _by_arrow("lz4")),
    (b"\xff\xfe\0\0", "UTF-32", _unsupported("in UTF-32")),
    (b"\xff\xfe", UTF_16, _utf_16),
    (b"\xfe\xff", UTF_16, _utf_16),
    (b"PK\x03\x04", "zip", _unsupported("a zip archive")),
    (b"7z\xbc\xaf\x27\x1c", "7z", _unsupported("a 7z archive")),
    (b"\x1f\x9d", "compress", _unsupported("compressed by `compress`")),
    (b"LZIP", "lzip", _unsupported("compressed by `lzip`")),
)
