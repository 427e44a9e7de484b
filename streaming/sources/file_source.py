"""The file source interface: how a package declares a source that `headrace ingest` reads from a file."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event as Flag
from typing import Literal

from headrace.contracts.settings import Settings
from headrace.streaming.sources.dates import DateOrder
from headrace.streaming.sources.files import Piece, read_pieces, without_byte_order_mark
from headrace.streaming.sources.outcomes import Counts, Deliverable


@dataclass(frozen=True)
class Options:
    """Options of some of the sources; None is the source's own default."""

    follow: bool | None = None
    to: str | None = None
    classes: Literal[2, 3] | None = None
    station: str | None = None
    event_time: datetime | None = None
    date_format: DateOrder | None = None


@dataclass(frozen=True)
class Input:
    """The input that a source opens. `stop` ends the following of a growing file."""

    path: Path
    options: Options
    settings: Settings
    stop: Flag


@dataclass(frozen=True)
class FileSource:
    """How to open an input, the topics its events go to, and the options it knows.

    `open` yields the outcome of each input, and raises `Terminal` if the input cannot be read. The same file must give
    the same events with the same ids.
    """

    name: str
    open: Callable[[Input], Iterator[Deliverable]]
    topics: tuple[str, ...]
    options: tuple[str, ...] = ()
    into: Mapping[str, Callable[..., Counts]] = field(default_factory=dict)
    """Databases that it can fill instead of the topics, by the name that `--into` takes; called as `deliver` is."""


def pieces_of(path: Path) -> Iterator[Piece]:
    """The content of a text file, without a byte order mark."""
    return without_byte_order_mark(read_pieces(path))
