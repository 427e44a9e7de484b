"""The sources of opinions: `feedback`, a service that receives them, and the files `reviews` and `labelled`."""

from collections.abc import Iterator
from threading import Event as Flag

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.sources.file_source import FileSource, Input, pieces_of
from headrace.streaming.sources.live.source import LiveSource, Service
from headrace.streaming.sources.outcomes import Outcome
from headrace.streaming.sources.times import UNDATED

TEXTS, LABELS = "train_text.txt", "train_labels.txt"


def _serve_feedback(settings: Settings, stop: Flag) -> None:
    from headrace.cases.data_science.sources.feedback.server import serve

    serve(settings, stop)


def _check_feedback(settings: Settings) -> None:
    from headrace.cases.data_science.sources.feedback.server import check

    check(settings)


def _reviews(given: Input) -> Iterator[Outcome]:
    from headrace.cases.data_science.sources.texts import reviews
    from headrace.streaming.sources.files import read_pieces

    return reviews.outcomes(read_pieces(given.path), given.options.event_time or UNDATED)


def _labelled(given: Input) -> Iterator[Outcome]:
    """A folder, or the file of texts in one, is the two-file form."""
    from headrace.cases.data_science.sources.texts import labelled

    path, options = given.path, given.options
    event_time = options.event_time or UNDATED
    if options.to not in (None, "social_media", "customer_feedback"):
        raise Terminal(
            f"labelled cannot be ingested to {options.to}.", remedy="Choose social_media or customer_feedback."
        )
    to = options.to
    texts = path / TEXTS if path.is_dir() else path
    labels = texts.with_name(texts.name.replace("text", "labels"))
    if path.is_dir() or (labels != texts and labels.exists()):
        if options.classes == 2:
            raise Terminal("Texts beside labels have three classes.", remedy="Leave `--classes` out.")
        return labelled.text_and_labels(pieces_of(texts), pieces_of(labels), to or "social_media", event_time)
    classes = options.classes or labelled.count_classes(pieces_of(path))
    return labelled.sentences(pieces_of(path), classes, to or "customer_feedback", event_time)


FEEDBACK = LiveSource(
    "feedback", check=_check_feedback, service=Service(_serve_feedback, port="feedback", about="the form")
)
REVIEWS_FILE = FileSource("reviews", _reviews, ("customer_feedback",), ("event_time",))
LABELLED_FILE = FileSource(
    "labelled", _labelled, ("customer_feedback", "social_media"), ("to", "classes", "event_time")
)
