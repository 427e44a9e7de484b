"""Times as text, to UTC."""

from datetime import UTC, datetime

UNDATED = datetime(2000, 1, 1, tzinfo=UTC)
"""`event_time` of data without a time. A constant, so that ingesting again gives the same events."""


def parse_utc(text: str) -> datetime:
    """An ISO 8601 time in UTC; one without an offset is taken as UTC already.

    Raises:
        ValueError: no such time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("time out of range") from None
