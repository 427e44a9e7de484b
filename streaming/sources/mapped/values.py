"""Values of files, as text or as the file's own type, to those of a contract's fields. Pure.

Times belong to `timestamps`. A reason names what is wrong, never the value: reasons are counted and go to headers.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from headrace.contracts.currencies import CURRENCIES
from headrace.contracts.fields import Field
from headrace.contracts.types import MONEY_SCALE
from headrace.streaming.sources.mapped.mapping import FieldKeys, IdNumbers, ValueKeys

MAX_NUMBER_LENGTH = 60
MAX_EXPONENT = 40
EXACT_INTEGER = 2**53
"""Beyond it a double does not have every whole number."""
DOUBLE_DIGITS = 15
"""Significant digits that a double keeps, and that spreadsheets show: 0.1 + 0.2 is 0.3."""
TRUE, FALSE = frozenset({"true", "yes", "y", "1", "t"}), frozenset({"false", "no", "n", "0", "f"})

_WHOLE = re.compile(r"(-?[0-9]{1,30})\.0+")
_SCIENTIFIC = re.compile(r"-?[0-9](?:\.[0-9]+)?[eE]\+[0-9]{1,3}")
_PLAIN_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")

Convert = Callable[[object], Any]
"""From a value that is not missing to that of the field.

Raises:
    InvalidValue: it is none.
"""


class InvalidValue(Exception):  # noqa: N818  a verdict on the value, not a failure
    """The value is not one of the field; the message says why."""


def text_of(value: object) -> str:
    """A value as text, without blanks around it; a missing one is empty."""
    if isinstance(value, str):
        return value.strip()
    if value is None or value != value:
        return ""
    if isinstance(value, list | dict | tuple):
        raise InvalidValue("is a list or an object, not a value")
    return _typed_text(value)


def _typed_text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if abs(value) < EXACT_INTEGER:
            return f"{_of_float(value):f}"
        case Decimal() if value.is_finite() and abs(value.adjusted()) <= MAX_EXPONENT:
            return f"{value:f}"
        case datetime() | date():
            return value.isoformat()
        case bytes():
            return value.decode(errors="replace").strip()
        case _:
            return str(value)


def converter(field: Field, keys: FieldKeys, values: ValueKeys) -> Convert:
    """How the values of a field are read. Not for times and lists."""
    if keys.values:
        return _chosen(field, keys)
    special = _choice(field.choices) if field.choices is not None else _SPECIAL.get(field.name)
    if special is not None or field.kind == "boolean":
        return special or _boolean
    if (read := _NUMBERS.get(field.kind)) is not None:
        number = number_reader(keys, values)
        return lambda value: read(number(value))
    return text_of if field.max_length is None else lambda value: id_text(value, keys.numbers)


def _chosen(field: Field, keys: FieldKeys) -> Convert:
    meanings = {name.strip().casefold(): meaning for name, meaning in keys.values.items()}
    plain = converter(field, FieldKeys(), ValueKeys())

    def convert(value: object) -> Any:
        meaning = meanings.get(text_of(value).casefold())
        if meaning is None:
            raise InvalidValue("is none of the `values` of the mapping")
        return plain(meaning)

    return convert


def _choice(choices: tuple[str, ...]) -> Convert:
    known = {choice.casefold(): choice for choice in choices}

    def convert(value: object) -> str:
        choice = known.get(text_of(value).casefold())
        if choice is None:
            raise InvalidValue(f"is none of {', '.join(choices)}; `values` says what a value means")
        return choice

    return convert


def _boolean(value: object) -> bool:
    text = text_of(value).lower().removesuffix(".0")
    if text not in TRUE and text not in FALSE:
        raise InvalidValue("is neither true nor false; `values` says what a value means")
    return text in TRUE


def _currency(value: object) -> str:
    code = text_of(value).upper()
    if code not in CURRENCIES:
        raise InvalidValue("is no ISO 4217 code; `values` says what a value means")
    return code


_SPECIAL: dict[str, Convert] = {"currency": _currency}
"""Fields with a meaning that their type does not have."""


def id_text(value: object, numbers: IdNumbers | None) -> str:
    """An id as text. What a spreadsheet made a number of is taken as the mapping says, and is invalid otherwise."""
    if isinstance(value, float):
        if value.is_integer() and abs(value) < EXACT_INTEGER:
            return str(int(value))  # a double has no other way to hold a whole number
        if numbers != "as-written" and value.is_integer():
            raise InvalidValue("is a number so large that its last digits are lost; export the column as text")
    text = text_of(value)
    if numbers == "as-written" or not isinstance(value, str) or not text[-1:].isdigit():
        return text
    if _SCIENTIFIC.fullmatch(text):
        raise InvalidValue("is in scientific notation: digits are lost; export the column as text")
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        return text
    if numbers is None:
        raise InvalidValue('is a number with a fraction; say `numbers = "whole"` or `"as-written"`')
    return whole[1]


def is_scientific(text: str) -> bool:
    """Whether an id lost its digits so."""
    return _SCIENTIFIC.fullmatch(text) is not None


def has_empty_fraction(text: str) -> bool:
    """Whether a text is a whole number with a fraction of zeros."""
    return _WHOLE.fullmatch(text) is not None


def number_reader(keys: FieldKeys, values: ValueKeys) -> Callable[[object], Decimal]:
    """How numbers are read, by the separators of the mapping. Numbers of the file's own type need none."""
    decimal = keys.decimal or values.decimal
    thousands = values.thousands if keys.thousands is None else keys.thousands
    remove = values.remove if keys.remove is None else keys.remove

    def read(value: object) -> Decimal:
        if isinstance(value, bool) or value is None:
            raise InvalidValue("is not a number")
        if isinstance(value, float):
            return _of_float(value)
        if isinstance(value, int | Decimal):
            return _bounded(Decimal(value))
        text = text_of(value)
        for each in remove:
            text = text.replace(each, "")
        text = text.strip()
        if thousands:
            text = _without_thousands(text, thousands, decimal)
        if decimal != ".":
            text = "" if "." in text else text.replace(decimal, ".")
        if len(text) > MAX_NUMBER_LENGTH or not _PLAIN_NUMBER.fullmatch(text):
            raise InvalidValue("is not a number")
        return _bounded(Decimal(text))

    return read


def _without_thousands(text: str, thousands: str, decimal: str) -> str:
    """Groups have three digits: `1.23` is not 123."""
    whole, point, fraction = text.partition(decimal)
    first, *groups = whole.split(thousands)
    if groups and (any(len(group) != 3 for group in groups) or not 1 <= len(first.lstrip("+-")) <= 3):
        raise InvalidValue("is not a number")
    return "".join([first, *groups]) + point + fraction


def _of_float(value: float) -> Decimal:
    try:
        return _bounded(Decimal(f"{value:.{DOUBLE_DIGITS}g}"))
    except InvalidOperation:
        raise InvalidValue("is not a number") from None


def _bounded(number: Decimal) -> Decimal:
    if not number.is_finite() or abs(number.adjusted()) > MAX_EXPONENT:
        raise InvalidValue("is not a number")
    return number


def _integer(number: Decimal) -> int:
    if number != number.to_integral_value():
        raise InvalidValue("is not a whole number")
    return int(number)


def _money(number: Decimal) -> str:
    """Zeros beyond the decimals that money has are left out: databases write `2.550000`."""
    whole, point, decimals = f"{number:f}".partition(".")
    if len(decimals) > MONEY_SCALE:
        decimals = decimals.rstrip("0")
    if len(decimals) > MONEY_SCALE:
        raise InvalidValue(f"has more than {MONEY_SCALE} decimals")
    return f"{whole}{point}{decimals}" if decimals else whole


def rounded(number: Decimal) -> Decimal:
    """An amount with the decimals that money has."""
    return number.quantize(Decimal(1).scaleb(-MONEY_SCALE), ROUND_HALF_EVEN).normalize()


_NUMBERS: dict[str, Callable[[Decimal], Any]] = {"money": _money, "integer": _integer, "number": float}
