"""Terminal helpers for the commands: progress, tables, and signals."""

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_UNLIMITED = 10_000


class Progress(Protocol):
    """Called with each step: a program or task, and its state (`starting`, `ready`, `stopping`, `stopped`)."""

    def __call__(self, subject: str, state: str) -> None: ...


def silent(subject: str, state: str) -> None:
    """Progress that is not shown."""


@contextmanager
def terminable() -> "Iterator[None]":
    """SIGTERM ends the block like Ctrl-C. Ctrl-C works even if the parent shell has set it to be ignored."""
    former = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def uninterrupted() -> "Iterator[None]":
    """Ignores further Ctrl-C within the block, which cleans up for a few seconds."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def progress() -> "Iterator[Progress]":
    """Progress for a person: a live line on a terminal, plain lines otherwise."""
    import sys

    if not sys.stderr.isatty():
        yield lambda subject, state: typer.echo(f"{subject}: {state}", err=True)
        return
    from rich.console import Console

    console = Console(stderr=True)
    waiting: dict[str, str] = {}
    live = console.status("")

    def show(subject: str, state: str) -> None:
        if state.startswith(("ready", "stopped")):
            waiting.pop(subject, None)
            console.print(f"[green]✓[/green] {subject} {state}")
        else:
            waiting[subject] = state
        live.update(", ".join(f"{name} {doing}" for name, doing in waiting.items()))
        live.start() if waiting else live.stop()

    try:
        yield show
    finally:
        live.stop()


def printable(text: str) -> str:
    """Untrusted text with control characters escaped, so that it cannot control the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


class Printable:
    """Standard output for untrusted text: unchanged for a file or a pipe, `printable` for a terminal."""

    def __init__(self, out: "IO[str]") -> None:
        self._out = out
        self._shown = printable if out.isatty() else str

    def write(self, text: str) -> int:
        self._out.write(self._shown(text))
        return len(text)


def cell(text: str) -> str:
    """Untrusted text as a table cell: control characters and markup are escaped."""
    from rich.markup import escape

    return escape(printable(text))


def print_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a table as wide as the terminal, or as its longest lines without one. No value is cut."""
    from rich.console import Console
    from rich.table import Column, Table

    colors = {
        "ok": "green",
        "running": "green",
        "warning": "yellow",
        "failed": "red",
        "fatal": "red",
        "backoff": "red",
        "flapping": "red",
    }
    columns = (Column(name, overflow="fold") for name in header)
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(f"[{colors[cell]}]{cell}[/]" if cell in colors else cell for cell in row))
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        console.width = _UNLIMITED
    console.print(table)
