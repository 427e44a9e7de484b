"""Windows to evaluate champions on, read from files: rows in the form of the model's frame.

Files are read as `headrace ingest` reads them, so that a window is what the warehouse would hold.
`models.evaluation` evaluates a champion on it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Literal, cast

from contracts.data_science import SocialPost
from contracts.ecommerce import Order
from contracts.errors import Terminal
from contracts.settings import Settings
from contracts.types import Event

if TYPE_CHECKING:
    import polars as pl

    from contracts.data_science import CustomerFeedback
    from streaming.sources.replay import Options

# polars and scikit-learn are imported in the functions: this is imported by the command line.

NIGHT = timedelta(days=1)
"""A file may end before its last midnight: shops sleep."""


def behavior_window(settings: Settings, path: Path, cutoff: datetime) -> "pl.DataFrame":
    """The customers of an order book as of a cutoff, and whether they ordered in the 30 days after it.

    Raises:
        Terminal: the file is no order book, or does not reach from before the cutoff to the label's end.
    """
    from warehouse import frames

    documents = documents_of(settings, path)
    last = documents["ordered_at"].max()
    if not isinstance(last, datetime) or last < cutoff + frames.LABEL - NIGHT:
        raise Terminal(
            f"{path} ends {'empty' if last is None else f'{last:%Y-%m-%d %H:%M}'}: what happened in the"
            f" {frames.LABEL.days} days after {cutoff:%Y-%m-%d} is not known.",
            remedy="Give an earlier --cutoff, or a file that reaches further.",
        )
    window = frames.behavior_at(documents, [cutoff])
    if window.is_empty():
        raise Terminal(f"No customer of {path} ordered before {cutoff:%Y-%m-%d}.", remedy="Give a later --cutoff.")
    return window


def intent_window(path: Path) -> "pl.DataFrame":
    """Sessions of a file in the Online Shoppers form. Raises Terminal where it is none."""
    from models.intent import shoppers

    return shoppers.read(path)


def sentiment_window(settings: Settings, path: Path, to: str | None = None) -> "pl.DataFrame":
    """Labelled texts in any of the forms that `headrace ingest labelled` reads, each text once.

    They count as posts where the file knows three classes, as feedback where two, or as `to` says.

    Raises:
        Terminal: there is no text in it that the model can read.
    """
    import polars as pl

    from models.sentiment.learner import prepared
    from streaming.sources import labelled
    from streaming.sources.files import read_pieces
    from streaming.sources.replay import Options

    if to is None and path.is_file() and labelled.count_classes(read_pieces(path)) == 3:
        to = "social_media"
    options = Options(to=cast("Literal['social_media', 'customer_feedback'] | None", to))
    rows = [_text(event) for event in _events(settings, "labelled", path, options)]
    texts = dict.fromkeys(("subject", "subject_id", "source", "authored_at", "text", "language", "label"), pl.String())
    schema = texts | {"authored_at": pl.Datetime("us", "UTC")}
    table = prepared(pl.DataFrame(rows, schema=schema, orient="row"))
    if table.is_empty():
        raise Terminal(
            f"{path} holds no labelled text that can be read.", remedy="See docs/reference/sources.md for the forms."
        )
    return table


def documents_of(settings: Settings, path: Path) -> "pl.DataFrame":
    """An order book's documents in the columns of `core.orders` that features are made of."""
    import polars as pl

    from streaming.sources.replay import Options

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
    """The events that a replay of the file would publish; what it would reject is left out here too."""
    from streaming.sources.outcomes import Accepted
    from streaming.sources.replay import outcomes_of

    for outcome in outcomes_of(settings, source, path, options, Flag()):
        if isinstance(outcome, Accepted):
            yield outcome.event


def _text(event: Event) -> tuple[object, ...]:
    if isinstance(event, SocialPost):
        subject_id = f"{event.platform}/{event.post_id}"
        return ("post", subject_id, event.platform, event.event_time, event.text, event.language, event.label)
    told = cast("CustomerFeedback", event)
    return ("feedback", told.feedback_id, told.channel, told.event_time, told.text, None, told.label)
