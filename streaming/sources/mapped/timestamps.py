"""Times of files, in the formats and zones that a mapping names, to UTC. Pure."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from headrace.contracts.errors import Terminal
from headrace.streaming.sources.dates import DateOrder, parse_time
from headrace.streaming.sources.mapped.values import InvalidValue, text_of

ORDERS: tuple[DateOrder, ...] = ("dmy", "mdy", "ymd")
NUMERIC = {"unix": Decimal(1), "unix-ms": Decimal(1000)}
EXCEL = "excel"
EXCEL_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001  day 60 and later; spreadsheets have no zone
FIRST_EXCEL_DAY, LAST_EXCEL_DAY = 61, 401_769
MAX_LENGTH = 80

_ZONED = re.compile(
    r"(?P<base>.*[0-9]:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:[ ]?[AaPp][Mm])?)[ ]{0,2}"
    r"(?P<name>[A-Za-z][A-Za-z_/]{0,40})?[ ]?(?P<offset>[+-][0-9]{1,2}(?::?[0-9]{2})?)?"
)
_OFFSET = re.compile(r"([+-])([0-9]{1,2})(?::?([0-9]{2}))?")
_UTC_NAMES = frozenset({"Z", "UTC", "GMT"})


def zone_of(name: str, key: str) -> tzinfo:
    """A zone by its name in the time zone database, or by its offset.

    Raises:
        Terminal: there is no such zone.
    """
    if name.upper() in _UTC_NAMES:
        return UTC
    try:
        return _offset(name) if _OFFSET.fullmatch(name) else ZoneInfo(name)
    except (InvalidValue, KeyError, ValueError, OSError):
        raise Terminal(
            f"`{key}`: there is no time zone {name}.",
            remedy="Write a name such as Europe/Berlin, or an offset such as +01:00.",
        ) from None


def moment_reader(form: str | None, zone: tzinfo, zones: dict[str, tzinfo]) -> Callable[[object], datetime]:
    """How times are read; `form` is as in `FieldKeys.format`, `zone` that of times without one."""

    def read_text(text: str) -> datetime:
        if form is not None and "%" in form:
            return _in_utc(_patterned(text, form), zone)
        return _from_text(text, form, zone, zones)

    def read(value: object) -> datetime:
        if isinstance(value, datetime):
            return _in_utc(value, zone)
        if isinstance(value, date):
            return _in_utc(datetime.combine(value, time()), zone)
        if form == EXCEL or form in NUMERIC:
            return _from_number(value, form, zone)
        if not isinstance(value, str):
            raise InvalidValue("is a number, not a time; `format` says what it counts")
        text = value.strip()
        if len(text) > MAX_LENGTH:
            raise InvalidValue("is no time")
        return read_text(text)

    return read


def _from_text(text: str, form: str | None, zone: tzinfo, zones: dict[str, tzinfo]) -> datetime:
    order: Any = form if form in ORDERS else None
    zoned = _ZONED.fullmatch(text)
    base = text
    if zoned is not None and (zoned["name"] or zoned["offset"]):
        base, zone = zoned["base"], _stated(zoned["name"], zoned["offset"], zones)
    try:
        moment = datetime.fromisoformat(base)
    except ValueError:
        moment = _in_numbers(base, order)
    return _in_utc(moment, zone)


def _in_numbers(text: str, order: DateOrder | None) -> datetime:
    try:
        return parse_time(text, order).replace(tzinfo=None)
    except ValueError as error:
        if "order of day and month" in str(error):
            raise InvalidValue('can be read with the day or the month first; say `format = "dmy"` or `"mdy"`') from None
        raise InvalidValue("is no time") from None


def _patterned(text: str, form: str) -> datetime:
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007  the zone is that of the mapping
    except ValueError:
        raise InvalidValue("is no time of the `format`") from None


def _from_number(value: object, form: str, zone: tzinfo) -> datetime:
    try:
        number = Decimal(text_of(value))
    except ArithmeticError:
        raise InvalidValue("is not a number") from None
    if form in NUMERIC:
        try:
            return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(number / NUMERIC[form] * 1_000_000))
        except (OverflowError, ArithmeticError, ValueError):
            raise InvalidValue("is no time") from None
    if not FIRST_EXCEL_DAY <= number < LAST_EXCEL_DAY:
        raise InvalidValue("is no day of a spreadsheet")
    # A spreadsheet's times are fractions of a day in a double: exact to a millisecond, no further.
    milliseconds = int((number * 86_400_000).to_integral_value())
    return _in_utc(EXCEL_EPOCH + timedelta(milliseconds=milliseconds), zone)


def _stated(name: str | None, offset: str | None, zones: dict[str, tzinfo]) -> tzinfo:
    if name is None or name.upper() in _UTC_NAMES:
        return UTC if offset is None else _offset(offset)
    if offset is not None:
        raise InvalidValue("has two time zones")
    if name in zones:
        return zones[name]
    if "/" in name:
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            pass
    raise InvalidValue("has a time zone that is not known; `values.zones` says what an abbreviation means")


def _offset(text: str) -> tzinfo:
    found = _OFFSET.fullmatch(text)
    hours, minutes = (int(found[2]), int(found[3] or 0)) if found else (99, 0)
    if hours > 18 or minutes > 59:
        raise InvalidValue("has an offset that no time zone has")
    distance = timedelta(hours=hours, minutes=minutes)
    return timezone(-distance if found and found[1] == "-" else distance)


def _in_utc(moment: datetime, zone: tzinfo) -> datetime:
    try:
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        if zone is UTC:
            return moment.replace(tzinfo=UTC)
        found = moment.replace(tzinfo=zone).astimezone(UTC)
    except (OverflowError, ValueError):
        raise InvalidValue("is out of range") from None
    if found.astimezone(zone).replace(tzinfo=None) != moment:
        raise InvalidValue("does not exist in its time zone: clocks were set forward")
    return found
