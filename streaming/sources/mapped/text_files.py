"""Text files in any encoding, as lines of bytes: unpacked, UTF-16 and old Mac line ends translated."""

import codecs
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from headrace.contracts.errors import Terminal
from headrace.streaming.sources.files import LineSplitter, Piece, read_chunks

SAMPLE_BYTES = 1_000
UTF_8 = "utf-8"
NUL = b"\0"
MOST_NULS = 0.2
"""Of the characters in a text; in UTF-16 almost every second byte of a Latin text is one."""
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_WIDE = ("utf-16", "utf-32")


class Text:
    """A text file. It can be read several times.

    Raises:
        Terminal: it cannot be read, or its encoding is unknown.
    """

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        self._path = path
        self.encoding = _known(encoding or UTF_8)
        self._is_wide = self.encoding.startswith(_WIDE)
        self.head = b""
        self.is_whole = True
        for chunk in self._bytes():
            if self.head:
                self.is_whole = False
                break
            self.head = chunk
        self._has_old_line_ends = b"\r" in self.head and b"\n" not in self.head

    def decode(self, raw: bytes) -> str:
        """A line as text.

        Raises:
            UnicodeDecodeError: it is not in the file's encoding.
        """
        return raw.decode() if self._is_wide else raw.decode(self.encoding)

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the file, with `\\n` between lines."""
        if not self._has_old_line_ends:
            return self._bytes()
        return (chunk.replace(b"\r", b"\n") for chunk in self._bytes())

    def pieces(self) -> Iterator[Piece]:
        """The lines of the file."""
        return _pieces(self.chunks())

    def head_pieces(self) -> Iterator[Piece]:
        """The first lines; the last one may be cut."""
        head = self.head if self.is_whole else self.head[: self.head.rfind(b"\n") + 1] or self.head
        return _pieces(iter([head.replace(b"\r", b"\n") if self._has_old_line_ends else head]))

    def _bytes(self) -> Iterator[bytes]:
        chunks = read_chunks(self._path)
        first = next(chunks, b"")
        whole = chain([first], chunks)
        if first.startswith(_WIDE_MARKS):
            return self._translated(whole, "utf-16")  # within a packed file
        if self._is_wide and not self._begins_with_mark():
            return self._translated(whole, self.encoding)
        sample = first[:SAMPLE_BYTES]
        if sample.count(NUL) <= len(sample) * MOST_NULS:
            return whole
        raise Terminal(
            f"{self._path} has many NUL characters: it may be UTF-16 without its mark, or no text.",
            remedy='Say `file.encoding = "utf-16-le"`, or give a text file.',
        )

    def _begins_with_mark(self) -> bool:
        """Whether `unpacking` has translated the file already."""
        with self._path.open("rb") as handle:
            return handle.read(2).startswith(_WIDE_MARKS)

    def _translated(self, chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for chunk in chunks:
                yield decoder.decode(chunk).encode()
            decoder.decode(b"", final=True)
        except UnicodeError as error:
            raise Terminal(
                f"{self._path} is not in {self.encoding}: {error}.", remedy="Correct `file.encoding`."
            ) from error


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise Terminal(
            f"There is no encoding {encoding}.",
            remedy="Write one such as utf-8, cp1252 or utf-16-le as `file.encoding`.",
        ) from None


def _pieces(chunks: Iterator[bytes]) -> Iterator[Piece]:
    splitter = LineSplitter()
    for chunk in chunks:
        yield from splitter.feed(chunk)
    yield from splitter.finish()
