"""Programs that end repeatedly: how often, by the supervisor's log, and why, by their own logs."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from headrace.contracts import clock
from headrace.contracts.settings import Settings
from headrace.stack.supervision import log_file

WINDOW = timedelta(minutes=5)
MANY_ENDS = 3
"""A program that ended this often within the window, the last time within `LATELY`, is flapping."""
LATELY = timedelta(minutes=1)
_TAIL_BYTES = 512_000
_EXITED = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ \w+ exited: ([^ ]+) \(", re.MULTILINE)


def recent_ends(log: str, now: datetime) -> dict[str, list[datetime]]:
    """The times at which each program ended by itself within the window, by the supervisor's log, in local time."""
    found: dict[str, list[datetime]] = {}
    for time, program in _EXITED.findall(log):
        ended = datetime.fromisoformat(time)
        if now - WINDOW <= ended:
            found.setdefault(program, []).append(ended)
    return found


def flapping(settings: Settings, now: datetime | None = None) -> dict[str, int]:
    """The flapping programs, and how often each ended within the window."""
    now = now or clock.local()  # the supervisor writes local times
    ends = recent_ends(tail(settings.logs / "supervisord.log", _TAIL_BYTES), now)
    return {name: len(times) for name, times in ends.items() if len(times) >= MANY_ENDS and now - times[-1] <= LATELY}


def last_words(settings: Settings, program: str) -> str:
    """The last line of a program's output that is not an info or debug message; of a traceback, the exception."""
    lines = [line.strip() for line in tail(log_file(settings, program), _TAIL_BYTES).splitlines() if line.strip()]
    return next((line for line in _notable(lines)), lines[-1] if lines else "it wrote nothing.")


def _notable(lines: list[str]) -> Iterable[str]:
    return (line for line in reversed(lines) if '"info"' not in line and '"debug"' not in line)


def tail(path: Path, size: int) -> str:
    """The last `size` bytes of a text file; empty if it does not exist."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - size))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
