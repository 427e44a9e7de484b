"""Ingests a file: the file sources of the active packages, and the run from path to counts."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from threading import Event as Flag
from types import ModuleType

from headrace.contracts import packages
from headrace.contracts.errors import Terminal
from headrace.contracts.package_things import things
from headrace.contracts.packages import Package
from headrace.contracts.settings import Settings
from headrace.streaming.runtime.publishing import Publisher
from headrace.streaming.sources.delivery import Progress, deliver, require_recognized
from headrace.streaming.sources.file_source import FileSource, Input, Options
from headrace.streaming.sources.outcomes import Counts, Deliverable


def file_sources() -> Mapping[str, FileSource]:
    """The file sources by name: the `FileSource` objects in `sources/*.py` of the active packages.

    Raises:
        Terminal: two have the same name.
    """
    return _composed(packages.active())


@cache
def _composed(_active: tuple[Package, ...]) -> Mapping[str, FileSource]:
    return things("file source", "sources", _declared)


def _declared(module: ModuleType) -> Iterator[tuple[str, FileSource]]:
    for value in vars(module).values():
        if isinstance(value, FileSource):
            yield value.name, value


def outcomes_of(settings: Settings, source: str, path: Path, options: Options, stop: Flag) -> Iterator[Deliverable]:
    """The outcome of each input of a file; nothing is published.

    Raises:
        Terminal: no such source, an option that it does not know, or (also later) input that cannot be read.
    """
    known = file_sources().get(source)
    if known is None:
        raise Terminal(f"There is no source {source}.", remedy=f"Sources are {', '.join(file_sources())}.")
    given = [option.name for option in fields(options) if getattr(options, option.name) is not None]
    if foreign := [name for name in given if name not in known.options]:
        raise Terminal(
            f"Source {source} has no option {', '.join('--' + name.replace('_', '-') for name in foreign)}.",
            remedy="Leave it out.",
        )
    return known.open(Input(path, options, settings, stop))


def ingest(
    settings: Settings,
    source: str,
    path: Path,
    *,
    options: Options | None = None,
    rate: float | None = None,
    stop: Flag | None = None,
    progress: Progress | None = None,
) -> Counts:
    """Publish the events of a file, at most `rate` per second, until its end or until `stop` is set.

    Ingesting the same file again gives the same events with the same ids.

    Raises:
        IncompleteInput: the input could not be read to its end; has the counts of what was delivered.
        UnrecognizedInput: everything in the input was rejected; has the counts, too.
        Terminal: the input cannot be read at all, or the topics are missing.
        Transient: the broker is unavailable.
    """
    stop = stop or Flag()
    outcomes = outcomes_of(settings, source, path, options or Options(), stop)
    publisher = Publisher(settings)
    publisher.check(file_sources()[source].topics)
    counts = deliver(outcomes, publisher, source=source, origin=path.name, rate=rate, stop=stop, progress=progress)
    if not stop.is_set():
        require_recognized(counts, source, path.name)
    return counts
