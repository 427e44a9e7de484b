"""What `headrace check` reports: a mistake, where it is, and what to do."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

_QUOTED = re.compile(r"[`'\"]([^`'\"]+)[`'\"]")


@dataclass(frozen=True, order=True)
class Problem:
    """A mistake in a file. `line` counts from 1."""

    file: str
    line: int
    message: str
    remedy: str


def line_of(text: str, *needles: str) -> int:
    """The number of the first line that has one of the needles as whole words, the first needle that is found; else 1.

    Case does not matter.
    """
    lines = text.splitlines()
    for needle in filter(None, map(str.strip, needles)):
        whole = re.compile(rf"(?<!\w){re.escape(needle)}(?!\w)", re.IGNORECASE)
        if found := next((number for number, line in enumerate(lines, 1) if whole.search(line)), None):
            return found
    return 1


def quoted_in(message: str) -> list[str]:
    """What a message quotes, to find the line that it is about."""
    return _QUOTED.findall(message)


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """The remedy for a name that does not exist: the nearest one that does."""
    near = get_close_matches(name, list(known), n=1)
    return f"Did you mean {near[0]}?" if near else otherwise


def shown(path: Path, folder: Path) -> str:
    """A path as it is shown: below the folder of the project relative to it."""
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
