"""The live source interface: a class that reads from a position. It does not depend on Kafka."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event as Flag
from typing import Any, ClassVar, Protocol

from msgspec import Struct

from headrace.contracts.settings import Settings
from headrace.streaming.sources.outcomes import Deliverable


class Batch(Struct, frozen=True, gc=False):
    """What was read at once, and the position after it: any value that JSON can hold.

    `origin` is the input's name in dead letters, where the stream's does not say enough.
    """

    outcomes: Sequence[Deliverable]
    position: Any
    origin: str | None = None


class Source(Protocol):
    """One stream of input. A program may read several of the same name, such as the time lines of one server."""

    name: ClassVar[str]
    """The source's name: goes into events, the stage of dead letters, and metrics."""
    topics: ClassVar[tuple[str, ...]]
    """The topics that its events go to."""

    @property
    def stream(self) -> str:
        """Name of this stream, stable over restarts: with the source's it is the key of the position."""
        ...

    def read(self, position: Any) -> Iterator[Batch]:
        """Read on from `position`, the one last committed, or None the first time; without an end, as a rule.

        It runs in its own thread and may block. What it yields is committed in order: the
        events of a batch and its position in one transaction. So a position must be unambiguous.

        Raises:
            Terminal: reading cannot continue. The process ends and is restarted.
        """
        ...


def _needs_nothing(settings: Settings) -> None:
    """The check of a source without settings."""


@dataclass(frozen=True)
class Service:
    """A source that is pushed to: a server instead of streams. `port` is the name of its port in the settings."""

    serve: Callable[[Settings, Flag], None]
    port: str
    about: str


@dataclass(frozen=True)
class LiveSource:
    """A live source as a package declares it. A class alone, with `name`, `topics` and `read`, is one without settings.

    `open_sources` gives its streams, or it is a `service`. `check` raises `Terminal` for settings that are missing or
    invalid, without starting it or writing anything.
    """

    name: str
    open_sources: Callable[[Settings], Sequence[Source]] | None = None
    check: Callable[[Settings], None] = _needs_nothing
    service: Service | None = None
