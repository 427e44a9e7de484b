"""Evaluation windows for champions, read from files: rows in the format of the model's frame.

Files are read as by `headrace ingest`, so that a window equals what the warehouse would have.
`headrace.models.evaluation` evaluates a champion on it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Literal, cast

from headrace.cases.data_science.topics.social_media import SocialPost
from headrace.cases.ecommerce.topics.orders import Order
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.contracts.types import Event

if TYPE_CHECKING:
    import polars as pl

    from headrace.cases.data_science.topics.customer_feedback import CustomerFeedback
    from headrace.streaming.sources.file_source import Options

# polars and scikit-learn are imported in the functions, since the command line imports this module.

NIGHT = timedelta(days=1)
"""A file may end before midnight of its last day, since shops close."""


def behavior_window(settings: Settings, path: Path, cutoff: datetime) -> "pl.DataFrame":
    """The customers of an order book as of a cutoff, and whether they ordered in the following 30 days.

    Raises:
        Terminal: the file is not an order book, or does not span from before the cutoff to the end of the label window.
    """
    from headrace.warehouse import frames

    documents = documents_of(settings, path)
    last = documents["ordered_at"].max()
    if not isinstance(last, datetime) or last < cutoff + frames.LABEL - NIGHT:
        raise Terminal(
            f"{path} {'is empty' if last is None else f'ends {last:%Y-%m-%d %H:%M}'}: it does not cover the"
            f" {frames.LABEL.days} days after {cutoff:%Y-%m-%d}.",
            remedy="Use an earlier --cutoff, or a file that covers a longer period.",
        )
    window = frames.behavior_at(documents, [cutoff])
    if window.is_empty():
        raise Terminal(f"No customer of {path} ordered before {cutoff:%Y-%m-%d}.", remedy="Use a later --cutoff.")
    return window


def intent_window(path: Path) -> "pl.DataFrame":
    """Sessions of a file in the Online Shoppers format. Raises Terminal for other files."""
    return import_module("headrace.cases.ecommerce.models.intent.shoppers").read(path)


def sentiment_window(settings: Settings, path: Path, to: str | None = None) -> "pl.DataFrame":
    """Labeled texts in any format that `headrace ingest labelled` reads, each text once.

    They count as posts if the file has three classes and as feedback if it has two, unless `to` is set.

    Raises:
        Terminal: it has no text that the model can read.
    """
    import polars as pl

    from headrace.streaming.sources.file_source import Options
    from headrace.streaming.sources.files import read_pieces

    labelled = import_module("headrace.cases.data_science.sources.texts.labelled")
    if to is None and path.is_file() and labelled.count_classes(read_pieces(path)) == 3:
        to = "social_media"
    options = Options(to=cast("Literal['social_media', 'customer_feedback'] | None", to))
    rows = [_text(event) for event in _events(settings, "labelled", path, options)]
    texts = dict.fromkeys(("subject", "subject_id", "source", "authored_at", "text", "language", "label"), pl.String())
    schema = texts | {"authored_at": pl.Datetime("us", "UTC")}
    learner = import_module("headrace.cases.data_science.models.sentiment.learner")
    table = learner.prepared(pl.DataFrame(rows, schema=schema, orient="row"))
    if table.is_empty():
        raise Terminal(
            f"{path} has no labeled text that can be read.", remedy="See docs/reference/sources.md for the formats."
        )
    return table


def documents_of(settings: Settings, path: Path) -> "pl.DataFrame":
    """An order book's documents, with the columns of `core.orders` that features need."""
    import polars as pl

    from headrace.streaming.sources.file_source import Options

    orders = [each for each in _events(settings, "online-retail", path, Options()) if isinstance(each, Order)]
    return pl.DataFrame(
        {
            "order_id": [order.order_id for order in orders],
            "customer_id": pl.Series([order.customer_id for order in orders], dtype=pl.String),
            "kind": [order.kind for order in orders],
            "ordered_at": pl.Series([order.event_time for order in orders], dtype=pl.Datetime("us", "UTC")),
            "order_date": pl.Series([order.event_time.date() for order in orders], dtype=pl.Date),
            "currency": pl.Series([order.currency for order in orders], dtype=pl.String),
            "line_count": [len(order.lines) for order in orders],
            "revenue": pl.Series([Decimal(order.total) for order in orders], dtype=pl.Decimal(38, 4)),
        }
    )


def _events(settings: Settings, source: str, path: Path, options: "Options") -> Iterator[Event]:
    """The events that ingesting the file would publish; rejected input is left out."""
    from headrace.streaming.sources.ingest import outcomes_of
    from headrace.streaming.sources.outcomes import Accepted

    for outcome in outcomes_of(settings, source, path, options, Flag()):
        if isinstance(outcome, Accepted):
            yield outcome.event


def _text(event: Event) -> tuple[object, ...]:
    if isinstance(event, SocialPost):
        subject_id = f"{event.platform}/{event.post_id}"
        return ("post", subject_id, event.platform, event.event_time, event.text, event.language, event.label)
    given = cast("CustomerFeedback", event)
    return ("feedback", given.feedback_id, given.channel, given.event_time, given.text, None, given.label)
