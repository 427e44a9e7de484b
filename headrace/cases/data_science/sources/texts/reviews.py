"""The reviews source: product reviews with a rating, as CSV, to `customer_feedback`."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256

from headrace.cases.data_science.topics.customer_feedback import CustomerFeedback
from headrace.contracts.errors import Terminal
from headrace.streaming.sources.files import Piece
from headrace.streaming.sources.outcomes import EMPTY_LINE, Accepted, Ignored, Outcome, Rejected
from headrace.streaming.sources.rows import Row, read_rows
from headrace.streaming.sources.times import UNDATED

TOPIC = "customer_feedback"
SOURCE = "reviews"
CHANNEL = "review"
COLUMNS = ("Clothing ID", "Title", "Review Text", "Rating", "Department Name")
INDEX = ""
"""The column without a name, if there is one, numbers the reviews."""
_RATING = re.compile(r"([1-5])(?:\.0{0,9})?")
"""Stars; pandas writes a column in which some are missing as 4.0."""


def outcomes(pieces: Iterable[Piece], event_time: datetime = UNDATED) -> Iterator[Outcome]:
    """One outcome per row.

    Raises:
        Terminal: the header is that of another file.
    """
    columns, rows = read_rows(pieces)
    if missing := [name for name in COLUMNS if name not in columns]:
        raise Terminal(f"The file has no column {', '.join(missing)}.", remedy="Give a file of product reviews.")
    for row in rows:
        yield _outcome(row, event_time)


def _outcome(row: Row, event_time: datetime) -> Outcome:
    if row.is_blank:
        return Ignored(EMPTY_LINE)
    if row.error is not None:
        return Rejected(TOPIC, row.error, row.raw, row.number, size=row.size)
    rating = _RATING.fullmatch(row.values["Rating"].strip())
    if rating is None:
        return Rejected(TOPIC, "rating is not a whole number from 1 to 5", row.raw, row.number)
    index = row.values.get(INDEX, "").strip() or str(row.number)
    feedback_id = f"{SOURCE}-{index}-{sha256(row.raw).hexdigest()[:12]}"
    event = CustomerFeedback(
        event_id=feedback_id,
        event_time=event_time,
        source=SOURCE,
        feedback_id=feedback_id,
        channel=CHANNEL,
        rating=int(rating[1]),
        title=_text(row, "Title"),
        text=_text(row, "Review Text"),
        subject=_text(row, "Department Name"),
        product_id=_text(row, "Clothing ID"),
    )
    return Accepted(TOPIC, feedback_id.encode(), event, row.raw, row.number)


def _text(row: Row, column: str) -> str | None:
    return row.values[column].strip() or None
