"""The time of day, read in one place: no other module reads the system clock. Durations use `time.monotonic`."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def seconds() -> float:
    """The time as seconds since 1970."""
    return time.time()


def milliseconds() -> int:
    """The time as whole milliseconds since 1970, as Kafka counts."""
    return time.time_ns() // 1_000_000


def local() -> datetime:
    """The local time of this machine, without a time zone: for logs that are written that way."""
    return datetime.now()  # noqa: DTZ005
