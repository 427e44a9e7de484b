"""Parses in separate processes while there is much to read, such as a new, large log.

Parsing takes more time than sending. Small reads are parsed in the reading process. The first large read starts the
workers; they end with the process that started them, even if that is killed.
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

from headrace.cases.ecommerce.sources.access_log.lines import LineParser
from headrace.contracts.errors import Terminal
from headrace.streaming.runtime import process
from headrace.streaming.sources.delivery import encoded
from headrace.streaming.sources.files import Block, Piece
from headrace.streaming.sources.outcomes import Deliverable
from headrace.streaming.sources.runs import InRuns, Part, parts_of

LARGE = 500
"""Minimum lines of a read that goes to the workers."""
MOST = 4
"""Maximum workers: one thread can send what this many parse."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Part]).decode


class Workers:
    """A `LineParser` in each of several processes. `make` creates it, in each worker and in this process; it must be a
    module-level function."""

    def __init__(self, make: Callable[[], LineParser]) -> None:
        self._make = make
        self._own = make()

    def outcomes(self, pieces: Sequence[Piece]) -> Sequence[Deliverable]:
        """One outcome per line; those of a large read are computed when they are accessed."""
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
    """Outcomes that a worker will return; their number is known."""

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
                remedy="The supervisor restarts the source from its last commit; make sure it has enough memory.",
            ) from None


_parser: LineParser


def _begin(make: Callable[[], LineParser]) -> None:
    global _parser  # noqa: PLW0603  that is how a pool's process keeps something
    # Ctrl-C at a terminal reaches all of them; the process that started them ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    process.keep_memory()
    _parser = make()
    process.tune()


def _end_with_the_parent() -> None:
    """A worker waits on a pipe that it holds both ends of, so it would not notice that its parent has ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _parse(pieces: Sequence[Piece]) -> bytes:
    return _encode(parts_of(map(encoded, _parser.outcomes(pieces))))
