"""Numeric dates, such as `1/12/2010 8:26`: the whole file, or the user, determines which part is the day."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from headrace.contracts.errors import Terminal
from headrace.streaming.sources.times import parse_utc

DateOrder = Literal["mdy", "dmy", "ymd"]
"""The order of month, day and year, by the names of PostgreSQL's DateStyle."""

LONGEST = 40
CENTURY_BEGINS = 69
"""A two-digit year from 69 on is in the 20th century, as in POSIX."""

_NUMBERS = re.compile(
    r"([0-9]{1,4})([-/.])([0-9]{1,2})\2([0-9]{1,4})"
    r"(?:(?:T|[ ]{1,3})([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?(?:[ ]?([AaPp])[Mm])?)?"
)


class _Written(NamedTuple):
    """A date as written, and the time of day."""

    parts: tuple[str, str, str]
    hour: int
    minute: int
    second: int
    microsecond: int


def parse_time(text: str, order: DateOrder | None) -> datetime:
    """A time in UTC: in ISO 8601, or a numeric date in the given order; one that begins with the year needs none.

    Raises:
        ValueError: no such time.
    """
    try:
        return parse_utc(text)
    except ValueError:
        written = _written(text)
    if written is None:
        raise ValueError("no time")
    if len(written.parts[0]) == 4:
        order = "ymd"
    if order is None:
        raise ValueError("the order of day and month is not known")
    return _moment(written, order)


def order_of(texts: Iterable[str], origin: str) -> DateOrder:
    """The only order in which every date of a file is valid; any order, if all dates are the same in each.

    Raises:
        Terminal: some dates are valid only with the day first and others only with the month first, or all of them both
            ways.
    """
    found: dict[DateOrder, str] = {}
    either: str | None = None
    for text in dict.fromkeys(text for text in texts if len(text) <= LONGEST):
        written = _written(text)
        if written is None or len(written.parts[0]) > 2:
            continue
        read = _readings(written)
        if len(read) == 1:
            found.setdefault(next(iter(read)), text)
        elif len(set(read.values())) == 2:
            either = either or text
    if len(found) == 1:
        return next(iter(found))
    if found:
        raise _undecided(
            f"{origin} has dates such as {found['dmy']}, with the day first, and {found['mdy']}, with the month first."
        )
    if either is not None:
        raise _undecided(f"The dates of {origin}, such as {either}, can be read with the day or the month first.")
    return "dmy"


def _undecided(problem: str) -> Terminal:
    return Terminal(problem, remedy="Choose with `--date-format dmy` or `--date-format mdy`.")


def _readings(written: _Written) -> dict[DateOrder, datetime]:
    read: dict[DateOrder, datetime] = {}
    orders: tuple[DateOrder, ...] = ("mdy", "dmy")
    for order in orders:
        try:
            read[order] = _moment(written, order)
        except ValueError:
            continue
    return read


def _written(text: str) -> _Written | None:
    match = _NUMBERS.fullmatch(text) if len(text) <= LONGEST else None
    if match is None:
        return None
    hour, half = int(match[5] or 0), (match[9] or "").lower()
    if half and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half == "p" else 0)
    elif half:
        return None
    parts = (match[1], match[3], match[4])
    return _Written(parts, hour, int(match[6] or 0), int(match[7] or 0), int(f"{match[8] or 0:0<6}"[:6]))


def _moment(written: _Written, order: DateOrder) -> datetime:
    first, second, third = written.parts
    year, month, day = {
        "mdy": (third, first, second),
        "dmy": (third, second, first),
        "ymd": (first, second, third),
    }[order]
    _, *time = written
    return datetime(_year(year), int(month), int(day), *time, tzinfo=UTC)


def _year(text: str) -> int:
    if len(text) == 4:
        return int(text)
    if len(text) == 2:
        return int(text) + (1900 if int(text) >= CENTURY_BEGINS else 2000)
    raise ValueError("a year has two or four digits")
