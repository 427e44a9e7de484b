"""Parsing in processes of their own while there is much to read, such as a log that is met for the first time.

Parsing takes more time than sending. What comes line by line is parsed where it is read; the workers are started by the
first large read, and end with the process that started them, however that ends.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cached_property

import msgspec

from contracts.errors import Terminal
from streaming.runtime import process
from streaming.sources.access_log.lines import LineParser
from streaming.sources.delivery import encoded
from streaming.sources.files import Block, Piece
from streaming.sources.outcomes import Deliverable
from streaming.sources.runs import InRuns, Part, parts_of

LARGE = 500
"""Lines of a read that goes to the workers."""
MOST = 4
"""Workers: one thread can send what so many parse."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Part]).decode


class Workers:
    """A `LineParser` in each of some processes. `make` makes it, there and here: it is a function of a module."""

    def __init__(self, make: Callable[[], LineParser]) -> None:
        self._make = make
        self._own = make()

    def outcomes(self, pieces: Sequence[Piece]) -> Sequence[Deliverable]:
        """One outcome a line; those of a large read come once they are looked at."""
        lines = sum(piece.line_count if isinstance(piece, Block) else 1 for piece in pieces)
        if lines < LARGE:
            return list(self._own.outcomes(pieces))
        return _Later(lines, self._submit(pieces))

    def _submit(self, pieces: Sequence[Piece]) -> "Future[bytes]":
        try:
            return self._pool.submit(_parse, pieces)
        except BrokenProcessPool as error:
            broken = Future[bytes]()
            broken.set_exception(error)
            return broken

    @cached_property
    def _pool(self) -> ProcessPoolExecutor:
        # Not forked: the threads of the Kafka client would not be in the copy, but its locks would.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(min(os.cpu_count() or 1, MOST), context, initializer=_begin, initargs=(self._make,))


class _Later(InRuns):
    """Outcomes that a worker is about to find, as many as are known to come."""

    def __init__(self, length: int, found: "Future[bytes]") -> None:
        self._length = length
        self._found = found

    def __len__(self) -> int:
        return self._length

    def parts(self) -> list[Part]:
        try:
            return _decode(self._found.result())
        except BrokenProcessPool:
            raise Terminal(
                "A process that parses access logs was ended from outside.",
                remedy="The supervisor starts the source again, from its last commit; see that there is memory enough.",
            ) from None


_parser: LineParser


def _begin(make: Callable[[], LineParser]) -> None:
    global _parser  # noqa: PLW0603  that is how a pool's process keeps something
    # Ctrl-C at a terminal reaches all of them; who ends is the process that started them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    process.keep_memory()
    _parser = make()
    process.tune()


def _end_with_the_parent() -> None:
    """A worker waits at a pipe that it holds both ends of: it would never learn that nobody is there any more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _parse(pieces: Sequence[Piece]) -> bytes:
    return _encode(parts_of(map(encoded, _parser.outcomes(pieces))))
