"""Lines of plain or compressed files, in blocks with offsets, with bounded memory for any file.

The meaning of lines is up to each source; `following` follows files that still grow.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from headrace.contracts.errors import Terminal
from headrace.contracts.topic import MAX_DEAD_LETTER_BYTES, MAX_RECORD_BYTES
from headrace.streaming.sources.unpacking import unpacked

MAX_LINE_BYTES = MAX_RECORD_BYTES
FINGERPRINT_BYTES = 4_096
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
PARQUET_MAGIC, ZIP_MAGIC = b"PAR1", b"PK\x03\x04"
"""The first bytes of a Parquet file, and of an Excel workbook."""


class Block(Struct, frozen=True, gc=False):
    """Consecutive lines, at least one. `offset` is the position of the first byte, uncompressed.

    `fingerprint` names the file by its first line, so it survives renaming, copying and compressing. `text` is without
    the last newline; the lines are split when they are accessed, possibly in another process.
    """

    fingerprint: str
    offset: int
    number: int
    text: bytes

    @property
    def lines(self) -> list[bytes]:
        """Each without its newline."""
        return self.text.split(b"\n")

    @property
    def line_count(self) -> int:
        """The number of lines."""
        return self.text.count(b"\n") + 1

    @property
    def last_line(self) -> bytes:
        """The last one."""
        return self.text[self.text.rfind(b"\n") + 1 :]


class OversizedLine(Struct, frozen=True, gc=False):
    """A line that exceeds the record limit; `head` is as much of it as fits into a dead letter."""

    number: int
    head: bytes
    size: int


Piece = Block | OversizedLine


class LineSplitter:
    """Splits a stream of bytes into pieces; can start in the middle of a file, given what came before."""

    def __init__(self, *, fingerprint: str | None = None, offset: int = 0, number: int = 1) -> None:
        self._fingerprint = fingerprint
        self._offset = offset
        self._number = number
        self._tail = b""
        self._skipped = 0

    @property
    def offset(self) -> int:
        """The offset of the first incomplete line."""
        return self._offset

    @property
    def number(self) -> int:
        """The number of that line."""
        return self._number

    @property
    def fingerprint(self) -> str | None:
        """The file's identity; None before its first line."""
        return self._fingerprint

    @property
    def fed(self) -> int:
        """The offset of the next chunk."""
        return self._offset + (self._skipped or len(self._tail))

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """The pieces that `chunk` completes."""
        if self._skipped:
            newline = chunk.find(b"\n")
            kept = chunk if newline < 0 else chunk[:newline]
            self._skipped += len(kept)
            self._tail += kept[: MAX_DEAD_LETTER_BYTES - len(self._tail)]
            if newline < 0:
                return
            yield self._oversized(self._tail, self._skipped)
            self._tail, self._skipped, chunk = b"", 0, chunk[newline + 1 :]
        text, newline, self._tail = (self._tail + chunk).rpartition(b"\n")
        if newline:
            yield from self._pieces(text)
        if len(self._tail) > MAX_LINE_BYTES:
            self._skipped = len(self._tail)
            self._tail = self._tail[:MAX_DEAD_LETTER_BYTES]

    def finish(self) -> Iterator[Piece]:
        """The last line, if the file does not end in a newline."""
        if self._skipped:
            yield self._oversized(self._tail, self._skipped)
        elif self._tail:
            yield self._block(self._tail)
        self._tail, self._skipped = b"", 0

    def _pieces(self, text: bytes) -> Iterator[Piece]:
        if len(text) <= MAX_LINE_BYTES:
            yield self._block(text)
            return
        for too_long, lines in groupby(text.split(b"\n"), key=lambda line: len(line) > MAX_LINE_BYTES):
            if too_long:
                yield from (self._oversized(line[:MAX_DEAD_LETTER_BYTES], len(line)) for line in lines)
            else:
                yield self._block(b"\n".join(lines))

    def _block(self, text: bytes) -> Block:
        if self._fingerprint is None:
            first = next((line for line in text.split(b"\n") if line.strip()), None)
            if first is not None:
                self._fingerprint = fingerprint(first)
        block = Block(self._fingerprint or "", self._offset, self._number, text)
        self._offset += len(text) + 1
        self._number += block.line_count
        return block

    def _oversized(self, head: bytes, size: int) -> OversizedLine:
        if self._fingerprint is None:
            self._fingerprint = fingerprint(head)
        piece = OversizedLine(self._number, head, size)
        self._offset += size + 1
        self._number += 1
        return piece


def fingerprint(first_line: bytes) -> str:
    """Identity of a file by its first line that is not blank."""
    return sha256(first_line.rstrip(b"\r\n")[:FINGERPRINT_BYTES]).hexdigest()[:16]


def read_pieces(path: Path) -> Iterator[Piece]:
    """All lines of a file.

    Raises:
        Terminal: the file cannot be read; for a damaged compressed file, after its last complete line.
    """
    splitter = LineSplitter()
    for chunk in read_chunks(path):
        yield from splitter.feed(chunk)
    yield from splitter.finish()


def without_byte_order_mark(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces of a file from its beginning, without the byte order mark of Windows programs."""
    rest = iter(pieces)
    for first in rest:
        if isinstance(first, Block):
            yield replace(first, text=first.text.removeprefix(BYTE_ORDER_MARK))
        else:
            yield replace(first, head=first.head.removeprefix(BYTE_ORDER_MARK))
        break
    yield from rest


def numbered_lines(pieces: Iterable[Piece]) -> Iterator[tuple[int, bytes] | OversizedLine]:
    """Each line with its number, for sources that do not need offsets."""
    for piece in pieces:
        if isinstance(piece, OversizedLine):
            yield piece
        else:
            yield from enumerate(piece.lines, piece.number)


def unreadable(path: Path, error: OSError) -> Terminal:
    """The error of a file that cannot be opened or read."""
    return Terminal(f"{path} cannot be read: {error.strerror}.", remedy="Give the path of a readable file.")


def magic_of(path: Path) -> bytes:
    """The first four bytes of a file.

    Raises:
        Terminal: it cannot be read.
    """
    try:
        with path.open("rb") as handle:
            return handle.read(4)
    except OSError as error:
        raise unreadable(path, error) from error


def read_chunks(path: Path) -> Iterator[bytes]:
    """The decompressed bytes of a file."""
    try:
        with path.open("rb") as handle:
            yield from unpacked(handle, path)
    except OSError as error:
        raise unreadable(path, error) from error
