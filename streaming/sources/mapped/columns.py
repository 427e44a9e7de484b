"""What the values of a column look like: counted over the first records, for the guess of a mapping."""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from headrace.streaming.sources.mapped.values import InvalidValue, has_empty_fraction, is_scientific, text_of

MOST_DISTINCT = 1_000
"""So many values of a column are kept; of more, the first."""
MISSING = frozenset({"", "nan", "null", "none", "<na>", "#n/a", "n/a", "\\n"})

_COMMA_LAST = re.compile(r"-?[0-9]{1,3}(?:\.[0-9]{3})*,[0-9]+|-?[0-9]+,[0-9]+")
_POINT_LAST = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})*\.[0-9]+|-?[0-9]+\.[0-9]+")
_EITHER = re.compile(r"-?[1-9][0-9]{0,2}[.,][0-9]{3}")
_GROUPED = re.compile(r"-?[0-9]{1,3}([.,' \u00a0\u202f])[0-9]{3}(?:\1[0-9]{3})*(?:[.,][0-9]+)?")
_SIGNS = re.compile(r"^([^0-9+\-.,]*)\s*-?[0-9][0-9.,' \u00a0\u202f]*?\s*([^0-9.,]*)$")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass
class Column:
    """One column: its first distinct values as text, and how many of all values look like something."""

    name: str
    values: Counter[str] = field(default_factory=Counter[str])
    filled: int = 0
    blank: int = 0
    typed_times: int = 0
    numbers: int = 0
    lists: int = 0
    emails: int = 0
    scientific: int = 0
    empty_fractions: int = 0
    first: object = None
    runs: Counter[str] = field(default_factory=Counter[str])
    _last: str = ""

    def add(self, value: object) -> None:
        """Count one value."""
        if isinstance(value, list):
            self.lists += 1
            self.filled += 1
            self.first = value if self.first is None else self.first
            return
        try:
            text = text_of(value)
        except InvalidValue:
            return
        if text.lower() in MISSING:
            self.blank += 1
            return
        self.filled += 1
        self.first = value if self.first is None else self.first
        if isinstance(value, datetime | date):
            self.typed_times += 1
        elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            self.numbers += 1
        elif isinstance(value, str):
            self.emails += _EMAIL.fullmatch(text) is not None
            self.scientific += is_scientific(text)
            self.empty_fractions += has_empty_fraction(text)
        if text in self.values or len(self.values) < MOST_DISTINCT:
            self.values[text] += 1
            self.runs[text] += text != self._last
            self._last = text

    @property
    def is_email(self) -> bool:
        """Whether most values are e-mail addresses."""
        return self.emails * 2 > self.filled

    @property
    def signs(self) -> list[str]:
        """What stands around the numbers, such as `€`."""
        found: dict[str, None] = {}
        for text in self.values:
            match = _SIGNS.match(text)
            if match is not None:
                found.update(dict.fromkeys(sign.strip() for sign in match.groups() if sign.strip()))
        return list(found)

    def separators(self) -> tuple[str | None, str | None]:
        """Separators of decimals and of thousands: `?` if the values can be read both ways, None if none occurs."""
        plain = [text for text in map(self._without_signs, self.values) if text]
        comma = [text for text in plain if _COMMA_LAST.fullmatch(text) and not _EITHER.fullmatch(text)]
        point = [text for text in plain if _POINT_LAST.fullmatch(text) and not _EITHER.fullmatch(text)]
        either = any(_EITHER.fullmatch(text) for text in plain)
        grouped = {match[1] for text in plain if (match := _GROUPED.fullmatch(text))}
        if comma and point:
            return "?", None
        if comma:
            return ",", next(iter(grouped - {","}), None)
        if point:
            return ".", next(iter(grouped - {"."}), None)
        return ("?", None) if either else (None, next(iter(grouped - {".", ","}), None))

    def _without_signs(self, text: str) -> str:
        for sign in self.signs:
            text = text.replace(sign, "")
        return text.strip()


@dataclass
class Survey:
    """All columns of the first records."""

    columns: dict[str, Column]
    records: int = 0
    errors: Counter[str] = field(default_factory=Counter[str])
    is_whole: bool = True
    wide: int = 0
    """Records with characters beyond ASCII that could be read."""
    last_values: dict[str, str] = field(default_factory=dict[str, str])

    def stands_apart(self, name: str) -> bool:
        """Whether a value of the column comes back after another one."""
        return max(self.columns[name].runs.values(), default=0) > 1
