"""What `headrace check` reports: a mistake, where it is, and what to do."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from headrace.contracts.errors import Terminal

_QUOTED = re.compile(r"[`'\"]([^`'\"]+)[`'\"]")

_PLACE = re.compile(r"(:|, line )(?P<line>\d+): ")
"""How errors state a line after the file."""
_LINE = re.compile(r"\bline (\d+)")


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


def problem_in(path: Path, error: Terminal, *names: str) -> Problem:
    """The problem of an error about a file, at the line that the error states or that has what it quotes."""
    message = error.message
    if match := _PLACE.match(message.removeprefix(str(path))):
        line, message = int(match["line"]), message.removeprefix(str(path))[match.end() :]
    elif match := _LINE.search(message):
        line = int(match.group(1))
    else:
        keys = [part for quoted in quoted_in(message) for part in (quoted, quoted.rpartition(".")[2])]
        line = line_of(path.read_text(encoding="utf-8", errors="replace"), *keys, *_last_words(message))
    for name in (str(path), *names):
        message = message.removeprefix(f"{name}: ")
    return Problem(str(path), line, message[:1].upper() + message[1:], error.remedy)


def _last_words(message: str) -> list[str]:
    return re.findall(r"topic (\w+)", message)
