"""Follows a growing file like `tail -F`: through rotation by rename, truncation, and temporary absence."""

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import BinaryIO

from headrace.contracts.errors import Terminal
from headrace.streaming.sources.files import LineSplitter, Piece, unreadable
from headrace.streaming.sources.unpacking import CHUNK_BYTES, packing_of
from headrace.streaming.sources.unpacking import HEAD_BYTES as MAGIC_BYTES

IDLE_SECONDS = 0.2
HEAD_BYTES = 256


def follow_pieces(path: Path, stop: Event) -> Iterator[Piece]:
    """The complete lines of the file that `path` currently names, from its beginning; ends when `stop` is set.

    A partial last line waits for its newline. When another file has the name, the old one is read to its end
    first. Lines that are written and truncated between two checks, a fifth of a second apart, are missed.
    """
    while (handle := _open(path, stop)) is not None:
        with handle:
            yield from _follow_one(handle, path, stop)


def _open(path: Path, stop: Event) -> BinaryIO | None:
    while not stop.is_set():
        try:
            handle = path.open("rb")
        except FileNotFoundError:
            stop.wait(IDLE_SECONDS)
            continue
        except OSError as error:
            raise unreadable(path, error) from error
        if (packing := packing_of(handle.peek(MAGIC_BYTES)[:MAGIC_BYTES])) is not None:
            handle.close()
            raise Terminal(f"{path} is {packing} and cannot be followed.", remedy="Ingest it without `--follow`.")
        return handle
    return None


def _follow_one(handle: BinaryIO, path: Path, stop: Event) -> Iterator[Piece]:
    """One file, until another one has its name."""
    splitter, head, last_look = LineSplitter(), b"", False
    while not stop.is_set():
        if _rewritten(handle, head):
            handle.seek(0)
            splitter, head = LineSplitter(), b""
        if chunk := handle.read(CHUNK_BYTES):
            if len(head) < HEAD_BYTES:
                head = os.pread(handle.fileno(), HEAD_BYTES, 0)[: handle.tell()]
            last_look = False
            yield from splitter.feed(chunk)
        elif last_look:
            yield from splitter.finish()
            return
        else:
            # The writer may still write to the renamed file, so it is read once more after the new one appeared.
            last_look = _replaced(handle, path)
            stop.wait(IDLE_SECONDS)


def _rewritten(handle: BinaryIO, head: bytes) -> bool:
    """Whether the file was truncated, also when it has since grown past what was read."""
    return os.fstat(handle.fileno()).st_size < handle.tell() or os.pread(handle.fileno(), len(head), 0) != head


def _replaced(handle: BinaryIO, path: Path) -> bool:
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    return not os.path.samestat(named, os.fstat(handle.fileno()))
