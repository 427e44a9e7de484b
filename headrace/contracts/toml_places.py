"""Tables of a TOML text with typed reading; each error names the file, the line and the nearest valid name."""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import Any, cast

from headrace.contracts.errors import Terminal

_HEADER = re.compile(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\"'-]+(?:\s*\.\s*[A-Za-z0-9_\"'-]+)*)\s*=")


class ContractError(Terminal):
    """A text is not a contract. The message names the file, the line and the key."""


class Table:
    """One table of a text. `path` has the names of the tables that it is in, and its own."""

    def __init__(self, raw: Mapping[str, Any], text: str, file: str, path: tuple[str, ...] = ()) -> None:
        self.raw = raw
        self._text = text
        self._file = file
        self._path = path

    @property
    def name(self) -> str:
        return self._path[-1]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.raw)

    def __contains__(self, key: str) -> bool:
        return key in self.raw

    def error(self, key: str | None, what: str, remedy: str) -> ContractError:
        """The error of a key, or of the table itself."""
        path = self._path if key is None else (*self._path, key)
        line = self._line(path)
        place = f"{self._file}, line {line}" if line else self._file
        return ContractError(f"{place}: {'.'.join(path) + ': ' if path else ''}{what}.", remedy=remedy)

    def unknown(self, key: str, known: Iterable[str], kind: str = "a key") -> ContractError:
        """The error of a name that is not among the known ones."""
        names = sorted(known)
        near = get_close_matches(key, names, 1)
        remedy = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(names)}."
        return self.error(key, f"{key} is not {kind} here", remedy)

    def require_known(self, known: Collection[str]) -> None:
        for key in self.raw:
            if key not in known:
                raise self.unknown(key, known)

    def table(self, key: str, *, needed: bool = False) -> "Table":
        found = self.raw.get(key)
        if not isinstance(found, dict) or (needed and not found):
            what = "is missing" if key not in self.raw else "is not a table with entries"
            raise self.error(
                key if key in self.raw else None, f"{key} {what}", f"Add [{'.'.join((*self._path, key))}…]."
            )
        return Table(cast("Mapping[str, Any]", found), self._text, self._file, (*self._path, key))

    def text(self, key: str, otherwise: str | None = None) -> str:
        return self._of(key, str, "text in quotes", otherwise)

    def boolean(self, key: str, *, otherwise: bool) -> bool:
        return self._of(key, bool, "true or false", otherwise)

    def number(self, key: str) -> int | float:
        found = self.raw[key]
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self.error(key, f"{key} is not a number", "Write a number without quotes.")
        return found

    def whole(self, key: str, otherwise: int, *, least: int, most: int) -> int:
        found = self.raw.get(key, otherwise)
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
            raise self.error(key, f"{key} is not a whole number from {least} to {most}", "Write one without quotes.")
        return found

    def texts(self, key: str) -> list[str]:
        found = self.raw[key]
        items = cast("list[Any]", found) if isinstance(found, list) else []
        if not items or not all(isinstance(each, str) for each in items) or len(set(items)) < len(items):
            raise self.error(key, f"{key} is not a list of different texts", f'Write {key} = ["one", "other"].')
        return cast("list[str]", items)

    def choice(self, key: str, known: Iterable[str]) -> str:
        """A text that is one of the known names."""
        found, names = self.text(key), sorted(known)
        if found not in names:
            near = get_close_matches(found, names, 1)
            remedy = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(names)}."
            raise self.error(key, f"there is no {found}", remedy)
        return found

    def _of(self, key: str, kind: type[Any], described: str, otherwise: Any) -> Any:
        if key not in self.raw and otherwise is None:
            raise self.error(None, f"{key} is missing", f"Add {key} = …: {described}.")
        found = self.raw.get(key, otherwise)
        if not isinstance(found, kind):
            raise self.error(key, f"{key} is not {described}", f"Write {described}.")
        return found

    def _line(self, path: tuple[str, ...]) -> int | None:
        """The line of a key, or of the nearest table around it that has one."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return None

    @cached_property
    def _lines(self) -> dict[tuple[str, ...], int]:
        """The first line of each table and key. Good enough for messages: texts of several lines may look like keys."""
        found: dict[tuple[str, ...], int] = {}
        inside: tuple[str, ...] = ()
        for number, line in enumerate(self._text.splitlines(), 1):
            if header := _HEADER.match(line):
                inside = _parts(header[1])
                _note(found, inside, number)
            elif key := _KEY.match(line):
                _note(found, (*inside, *_parts(key[1])), number)
        return found


def _note(found: dict[tuple[str, ...], int], path: tuple[str, ...], number: int) -> None:
    for end in range(1, len(path) + 1):
        found.setdefault(path[:end], number)


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
