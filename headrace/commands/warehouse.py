"""`headrace sql`: query the warehouse, once or at a prompt. `headrace.warehouse.query` formats the values."""

import csv
import itertools
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Protocol, cast

import typer

from headrace.contracts.errors import HeadraceError
from headrace.contracts.settings import Settings
from headrace.home import existing
from headrace.terminal import Printable, printable

if TYPE_CHECKING:
    from prompt_toolkit.completion import WordCompleter

    from headrace.warehouse.lake import Lake

TABLE_ROWS = 1_000
"""Maximum rows of a printed table, which is laid out in memory. The other formats have no limit."""
MAX_CELL = 120
PLAN = ("explain_key", "explain_value")
PROMPT, CONTINUED = "sql> ", "...> "

Row = tuple[Any, ...]


class Format(StrEnum):
    """Output format."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="sql")(sql)


def sql(
    statement: Annotated[
        str | None,
        typer.Argument(help="One SQL statement. Default: a prompt, or standard input if it is not a terminal."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TABLE,
    at: Annotated[
        str | None, typer.Option(help="Query the warehouse as of a time in UTC, or a snapshot number.")
    ] = None,
    spreadsheet: Annotated[
        bool,
        typer.Option(
            "--spreadsheet", help="Make CSV safe for spreadsheets: text that looks like a formula is marked as text."
        ),
    ] = False,
) -> None:
    """Query the warehouse, whether the stack is running or not. Read-only; decimals and times (UTC) are exact."""
    from headrace.stack import postgres_for_call
    from headrace.warehouse.lake import Lake

    settings = existing(Settings())
    if statement is None and not sys.stdin.isatty():
        statement = sys.stdin.read()
    with postgres_for_call(settings), Lake.open(settings, read_only=True, at=at) as lake:
        if statement is None:
            _converse(settings, lake, form)
        else:
            _answer(lake, statement, form, spreadsheet=spreadsheet)


def _converse(settings: Settings, lake: "Lake", form: Format) -> None:
    """Run statements, each ended by a semicolon, until Ctrl-D or `exit`."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory

    session: PromptSession[str] = PromptSession(
        history=FileHistory(str(settings.root / "sql_history")), completer=completer(lake.columns())
    )
    typer.echo("A semicolon ends a statement. `show tables;` lists the tables, Tab completes; Ctrl-D leaves.")
    while True:
        try:
            statement = _read_statement(session.prompt)
        except EOFError:
            return
        except KeyboardInterrupt:
            continue
        if statement.rstrip("; \n").lower() in ("exit", "quit"):
            return
        if statement.strip("; \n"):
            _answer_or_complain(lake, statement, form)


def completer(tables: Mapping[str, Mapping[str, str]]) -> "WordCompleter":
    """Completes the qualified names of tables, and the names of columns with their types."""
    from prompt_toolkit.completion import WordCompleter

    meanings = {name: f"{kind}, {table}" for table, columns in tables.items() for name, kind in columns.items()}
    meanings |= dict.fromkeys(tables, "table")
    return WordCompleter(sorted(meanings), ignore_case=True, meta_dict=meanings, pattern=re.compile(r"[\w.]+"))


def _read_statement(ask: Callable[[str], str]) -> str:
    lines = [ask(PROMPT)]
    while (
        lines[-1].strip() and not lines[-1].rstrip().endswith(";") and lines[0].strip().lower() not in ("exit", "quit")
    ):
        lines.append(ask(CONTINUED))
    return "\n".join(lines)


def _answer_or_complain(lake: "Lake", statement: str, form: Format) -> None:
    try:
        _answer(lake, statement, form)
    except HeadraceError as error:
        typer.echo(printable(str(error)), err=True)


def _answer(lake: "Lake", statement: str, form: Format, *, spreadsheet: bool = False) -> None:
    from headrace.warehouse.query import ask

    columns, types, rows = ask(lake, statement)
    out = Printable(sys.stdout)
    match form:
        case Format.TABLE if columns == PLAN:
            for _, plan in rows:
                out.write(f"{plan}\n")
        case Format.TABLE:
            print_table(columns, types, rows, out)
        case Format.CSV:
            print_csv(columns, rows, out, spreadsheet=spreadsheet)
        case Format.JSON:
            print_json(columns, rows, out)


class Out(Protocol):
    """A text output."""

    def write(self, text: str, /) -> object: ...


def print_table(columns: tuple[str, ...], types: tuple[str, ...], rows: Iterator[Row], out: Out) -> None:
    """Print aligned columns, numbers to the right; long values are cut, and so are results with many rows."""
    cells = [[_cell(value) for value in row] for row in itertools.islice(rows, TABLE_ROWS)]
    names = [_cell(name) for name in columns]  # a PIVOT makes column names from values
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    numeric = [
        kind.startswith(("DECIMAL", "DOUBLE", "FLOAT")) or kind.endswith("INT") or kind == "INTEGER" for kind in types
    ]

    def line(values: list[str]) -> str:
        placed = zip(values, widths, numeric, strict=True)
        return "  ".join(v.rjust(width) if right else v.ljust(width) for v, width, right in placed).rstrip() + "\n"

    out.write(line(names))
    out.write("  ".join("-" * width for width in widths) + "\n")
    for row in cells:
        out.write(line(row))
    if next(rows, None) is not None:
        out.write(f"… the first {TABLE_ROWS:,} rows; `--format csv` prints all.\n")


def print_csv(columns: tuple[str, ...], rows: Iterator[Row], out: Out, *, spreadsheet: bool = False) -> None:
    """RFC 4180 with a header; a missing value is an empty field."""
    from headrace.warehouse.query import as_cell, as_text

    shown = as_cell if spreadsheet else as_text
    writer = csv.writer(cast(Any, out), lineterminator="\n")
    writer.writerow([shown(name) for name in columns])
    writer.writerows([shown(value) for value in row] for row in rows)


def print_json(columns: tuple[str, ...], rows: Iterator[Row], out: Out) -> None:
    """Print one array of objects, one object per line."""
    from headrace.warehouse.query import as_json

    names = distinct(columns)
    out.write("[")
    for number, row in enumerate(rows):
        out.write(",\n" if number else "\n")
        out.write(as_json(dict(zip(names, row, strict=True))))
    out.write("\n]\n")


def distinct(columns: tuple[str, ...]) -> list[str]:
    """Unique names for the columns: `a`, `a_1`."""
    names: list[str] = []
    for column in columns:
        name, number = column, 0
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names


def _cell(value: Any) -> str:
    from headrace.warehouse.query import as_text

    text = as_text(value)
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return printable if len(printable) <= MAX_CELL else printable[: MAX_CELL - 1] + "…"
