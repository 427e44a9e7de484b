"""In which format and zone the times of a column are written, as far as its values say."""

import re
from collections.abc import Iterable
from datetime import UTC, tzinfo
from typing import Any

from headrace.contracts.errors import Terminal
from headrace.streaming.sources.dates import order_of
from headrace.streaming.sources.mapped.columns import Column
from headrace.streaming.sources.mapped.timestamps import moment_reader
from headrace.streaming.sources.mapped.values import InvalidValue

OPEN = "?"
_DAYS = ("%d. %b %Y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
FORMATS = tuple(day + time for day in _DAYS for time in _TIMES)
SERIAL_DAYS = (20_000, 80_000)
"""Spreadsheet days from 1954 to 2119."""
SECONDS = (300_000_000, 5_000_000_000)
SHOWN_IN_QUESTIONS = 3

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_OFFSET = re.compile(r".*[0-9]:[0-9]{2}.*?(?:Z|(?:UTC|GMT)?[ ]?[+-][0-9]{1,2}(?::?[0-9]{2})?|UTC|GMT)")
_ABBREVIATION = re.compile(r".*[0-9]:[0-9]{2}(?::[0-9]{2})?(?:[ ]?[AaPp][Mm])?[ ]([A-Z]{2,5})")

Keys = tuple[dict[str, Any], str | None, str | None]


def time_keys(column: Column) -> Keys:
    """The keys of a time's field, what they are guessed by, and what must be asked."""
    texts = list(column.values)
    if column.typed_times:
        return _zoned({}, column, None)
    if all(_NUMBER.fullmatch(text) for text in texts):
        return _numeric(column, texts)
    form, note, question = _form(column, texts)
    if question is not None:
        keys, note, asked = _zoned({"format": OPEN}, column, None)
        return keys, note, " ".join(filter(None, (question, asked)))
    return _zoned({"format": form} if form else {}, column, note)


def abbreviations(column: Column) -> list[str]:
    """The abbreviations of time zones in a column, which mean different zones in different countries."""
    found = {match[1] for text in column.values if (match := _ABBREVIATION.fullmatch(text))}
    return sorted(found - {"UTC", "GMT", "AM", "PM"})


def _form(column: Column, texts: list[str]) -> tuple[str | None, str | None, str | None]:
    """The format of all values, what shows it, or what must be asked."""
    zones: dict[str, tzinfo] = dict.fromkeys(abbreviations(column), UTC)
    if all(_is_read(text, None, zones) for text in texts):
        return None, None, None
    try:
        order = order_of(texts, column.name)
    except Terminal as undecided:
        return None, None, f'{undecided.message} Is it "dmy" or "mdy"?'
    for form in (order, *FORMATS):
        if all(_is_read(text, form, zones) for text in texts):
            example = next((text for text in texts if not _is_read(text, None, zones)), texts[0])
            return form, f"{example} can only be read so", None
    shown = ", ".join([text for text in texts if not _is_read(text, order, zones)][:SHOWN_IN_QUESTIONS])
    return None, None, f"In which format is {column.name}, such as {shown}? See the reference of mappings."


def _numeric(column: Column, texts: Iterable[str]) -> Keys:
    numbers = [float(text) for text in texts]
    low, high = min(numbers), max(numbers)
    for form, (first, last) in {
        "excel": SERIAL_DAYS,
        "unix": SECONDS,
        "unix-ms": (SECONDS[0] * 1000, SECONDS[1] * 1000),
    }.items():
        if first <= low and high < last:
            text = next(iter(column.values))
            shown = moment_reader(form, UTC, {})(text)
            return _zoned({"format": form}, column, f"{text} is {shown:%Y-%m-%d %H:%M} then")
    return {"format": OPEN}, None, f"What do the numbers of {column.name} count? See the reference of mappings."


def _zoned(keys: dict[str, Any], column: Column, note: str | None) -> Keys:
    """Times without a zone are read as UTC, which is a guess; beside times with one they are a question."""
    if keys.get("format") in ("unix", "unix-ms"):
        return keys, note, None
    stated = sum(_OFFSET.fullmatch(text) is not None for text in column.values)
    if stated == len(column.values):
        return keys, note, None
    if stated:
        question = f"{column.name} has times with a time zone and times without one. In which zone are the others?"
        return keys | {"timezone": OPEN}, None, question
    return keys | {"timezone": "UTC"}, "; ".join(filter(None, (note, "the times state no zone"))), None


def _is_read(text: str, form: str | None, zones: dict[str, tzinfo]) -> bool:
    try:
        moment_reader(form, UTC, zones)(text)
    except InvalidValue:
        return False
    return True
