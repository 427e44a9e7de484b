"""Ingests a file: which sources there are, how each opens its input, and the run from path to counts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from threading import Event as Flag
from typing import Literal

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.runtime.publishing import Publisher
from headrace.streaming.sources import jetstream, labelled, mastodon, online_retail, reviews, weather
from headrace.streaming.sources.access_log.opening import check_format, maker
from headrace.streaming.sources.dates import DateOrder
from headrace.streaming.sources.delivery import Progress, deliver, require_recognized
from headrace.streaming.sources.files import Piece, read_chunks, read_pieces, without_byte_order_mark
from headrace.streaming.sources.following import follow_pieces
from headrace.streaming.sources.outcomes import Counts, Deliverable, Outcome
from headrace.streaming.sources.pseudonyms import load_key, pseudonymizer
from headrace.streaming.sources.times import UNDATED

TEXTS, LABELS = "train_text.txt", "train_labels.txt"


@dataclass(frozen=True)
class Options:
    """Options of some of the sources; None is the source's own default."""

    follow: bool | None = None
    to: labelled.Destination | None = None
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
class Source:
    """How to open an input, the topics its events go to, and the options it knows."""

    open: Callable[[Input], Iterator[Deliverable]]
    topics: tuple[str, ...]
    options: tuple[str, ...] = ()


def _pieces(path: Path) -> Iterator[Piece]:
    return without_byte_order_mark(read_pieces(path))


def _access_log(given: Input) -> Iterator[Deliverable]:
    check_format(given.settings, [given.path])
    pieces = follow_pieces(given.path, given.stop) if given.options.follow else read_pieces(given.path)
    return maker(given.settings)().outcomes(pieces)


def _online_retail(given: Input) -> Iterator[Outcome]:
    return online_retail.outcomes(online_retail.read_lines(given.path, given.options.date_format))


def _reviews(given: Input) -> Iterator[Outcome]:
    return reviews.outcomes(read_pieces(given.path), given.options.event_time or UNDATED)


def _labelled(given: Input) -> Iterator[Outcome]:
    """A folder, or the file of texts in one, is the two-file form."""
    path, options = given.path, given.options
    event_time = options.event_time or UNDATED
    texts = path / TEXTS if path.is_dir() else path
    labels = texts.with_name(texts.name.replace("text", "labels"))
    if path.is_dir() or (labels != texts and labels.exists()):
        if options.classes == 2:
            raise Terminal("Texts beside labels have three classes.", remedy="Leave `--classes` out.")
        to: labelled.Destination = options.to or "social_media"
        return labelled.text_and_labels(_pieces(texts), _pieces(labels), to, event_time)
    classes = options.classes or labelled.count_classes(_pieces(path))
    return labelled.sentences(_pieces(path), classes, options.to or "customer_feedback", event_time)


def _weather(given: Input) -> Iterator[Outcome]:
    station = given.options.station or given.path.name.split(".")[0].removesuffix("-weather")
    return weather.outcomes(read_pieces(given.path), station)


def _jetstream(given: Input) -> Iterator[Outcome]:
    return jetstream.outcomes(_pieces(given.path), pseudonymizer(load_key(given.settings)))


def _mastodon(given: Input) -> Iterator[Outcome]:
    pseudonymize = pseudonymizer(load_key(given.settings))
    if mastodon.is_saved_timeline(read_chunks(given.path)):
        return mastodon.saved_timeline(read_chunks(given.path), pseudonymize)
    return mastodon.outcomes(_pieces(given.path), pseudonymize)


SOURCES: dict[str, Source] = {
    "access-log": Source(_access_log, ("web_logs",), ("follow",)),
    "online-retail": Source(_online_retail, ("orders", "customers"), ("date_format",)),
    "reviews": Source(_reviews, ("customer_feedback",), ("event_time",)),
    "labelled": Source(_labelled, ("customer_feedback", "social_media"), ("to", "classes", "event_time")),
    "weather": Source(_weather, ("weather_data",), ("station",)),
    "jetstream": Source(_jetstream, ("social_media",)),
    "mastodon": Source(_mastodon, ("social_media",)),
}


def outcomes_of(settings: Settings, source: str, path: Path, options: Options, stop: Flag) -> Iterator[Deliverable]:
    """The outcome of each input of a file; nothing is published.

    Raises:
        Terminal: no such source, an option that it does not know, or (also later) input that cannot be read.
    """
    known = SOURCES.get(source)
    if known is None:
        raise Terminal(f"There is no source {source}.", remedy=f"Sources are {', '.join(SOURCES)}.")
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
    publisher.check(SOURCES[source].topics)
    counts = deliver(outcomes, publisher, source=source, origin=path.name, rate=rate, stop=stop, progress=progress)
    if not stop.is_set():
        require_recognized(counts, source, path.name)
    return counts
