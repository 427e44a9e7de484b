"""Checks the SQL files of the warehouse: their headers, and each statement bound by DuckDB against the tables it reads.

Nothing runs: the tables are empty, in memory, with the types that contracts and files declare.
"""

# ruff: noqa: S608  the names in the SQL are those of the tables' own files

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import duckdb

from headrace.operations.checking.problems import Problem, line_of, nearest, quoted_in
from headrace.warehouse.catalog.reference import declare_inputs
from headrace.warehouse.determinism import tie
from headrace.warehouse.tables import InvalidTable, Table, declared_keys, parse

_INEXACT = {"HUGEINT", "UHUGEINT"}
_LINE = re.compile(r"\nLINE (\d+): ")
_POSITION = "\n\nLINE "
_AS = "create table {} as\n"
_NO_RAW_TABLE = "There is no table raw."
_PARSED_LINE = re.compile(r" in line (\d+)\.")
_REMEDY = "Correct the file; the guide “Add a mart” describes its header and its SELECT."


@dataclass(frozen=True)
class SqlFile:
    """The file of a table: how it is shown, the table's name, and the text."""

    shown: str
    schema: str
    name: str
    text: str

    @classmethod
    def read(cls, path: Path, shown: str) -> "SqlFile":
        """The file of `…/<schema>/<name>.sql`."""
        return cls(shown, path.parent.name, path.stem, path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class _Parsed:
    file: SqlFile
    table: Table

    def problem(self, message: str, remedy: str, *needles: str) -> Problem:
        return Problem(self.file.shown, line_of(self.file.text, *needles), message, remedy)


def table_problems(files: Iterable[SqlFile], *, topics_are_complete: bool = True) -> Iterator[Problem]:
    """The mistakes in the tables' files. A table that reads one with a mistake is only checked by itself.

    Unless `topics_are_complete`, raw tables that are not known are no mistake: their topic has one.
    """
    parsed: dict[str, _Parsed] = {}
    for file in files:
        try:
            table = parse(file.schema, file.name, file.text)
        except InvalidTable as error:
            yield _invalid(file, str(error))
            continue
        except UnicodeError as error:
            yield Problem(file.shown, 1, f"The file is not UTF-8: {error}.", "Save it as UTF-8.")
            continue
        if (first := parsed.get(table.qualified)) is not None:
            yield Problem(
                file.shown,
                1,
                f"The table {table.qualified} is declared twice; the other file is {first.file.shown}.",
                "Rename one of them, or leave the other out by `replace` in headrace.toml.",
            )
            continue
        parsed[table.qualified] = _Parsed(file, table)
    yield from _ties(parsed)
    found = _bound(parsed)
    yield from found if topics_are_complete else (each for each in found if _NO_RAW_TABLE not in each.message)


def _invalid(file: SqlFile, message: str) -> Problem:
    sentence = message.removeprefix(f"{file.schema}.{file.name}: ")
    if match := _PARSED_LINE.search(sentence):
        header = next((n for n, line in enumerate(file.text.splitlines()) if not line.startswith("-- ")), 0)
        line = header + int(match.group(1))
        sentence = sentence.replace(match.group(0), ".")
    else:
        words = [word for word in re.findall(r"\w{4,}", sentence) if word.isupper()]
        line = line_of(file.text, *quoted_in(sentence), *words)
    return Problem(file.shown, line, sentence[:1].upper() + sentence[1:], _REMEDY)


def _ties(parsed: Mapping[str, _Parsed]) -> Iterator[Problem]:
    keys = declared_keys([each.table for each in parsed.values()])
    for each in parsed.values():
        if (found := tie(each.table.sql, keys)) is not None:
            yield each.problem(
                f"{found}, but the same rows must give the same result.",
                "End its ORDER BY with columns that identify a row.",
                "order by",
            )


def _bound(parsed: Mapping[str, _Parsed]) -> Iterator[Problem]:
    reads = {name: [source for source in each.table.inputs if source in parsed] for name, each in parsed.items()}
    try:
        order = list(TopologicalSorter(reads).static_order())
    except CycleError as error:
        cycle: Sequence[str] = error.args[1]
        yield parsed[cycle[0]].problem(
            f"The table reads itself, by way of {' → '.join(cycle)}.", "Take one of them out of the circle.", cycle[1]
        )
        return
    failed: set[str] = set()
    with duckdb.connect() as connection:
        declare_inputs(connection)
        for name in order:
            each = parsed[name]
            if set(each.table.inputs) & failed:
                failed.add(name)
                continue
            found = list(_problems_of(connection, each, parsed))
            yield from found
            if not _exists(connection, name):
                failed.add(name)
        for name in order:
            if name not in failed:
                yield from _foreign_keys(connection, parsed[name], parsed, failed)


def _problems_of(
    connection: duckdb.DuckDBPyConnection, each: _Parsed, parsed: Mapping[str, _Parsed]
) -> Iterator[Problem]:
    table = each.table
    known = {*parsed, *_tables(connection)}
    unknown = [source for source in table.inputs if source not in known]
    for source in unknown:
        remedy = nearest(source, known, "Declare the table, or its topic.")
        yield each.problem(f"There is no table {source}.", remedy, source, source.partition(".")[2])
    if unknown:
        return
    try:
        connection.execute(_AS.format(table.qualified) + table.sql)
    except duckdb.Error as error:
        yield _sql_problem(each, error)
        return
    types = _columns(connection, table.qualified)
    yield from _described(each, types)
    yield from _types(each, types)
    yield from _expressions(connection, each, types)


def _described(each: _Parsed, types: Mapping[str, str]) -> Iterator[Problem]:
    for name in types.keys() - each.table.columns.keys():
        yield each.problem(
            f"The column {name} has no description.", f"Add `-- column {name}: …` to the header.", f" as {name}", name
        )
    for name in each.table.columns.keys() - types.keys():
        remedy = nearest(name, types.keys() - each.table.columns.keys(), "Remove the line, or select the column.")
        yield each.problem(f"The SELECT gives no column {name}.", remedy, f"-- column {name}:")


def _types(each: _Parsed, types: Mapping[str, str]) -> Iterator[Problem]:
    for name, kind in types.items():
        if kind in _INEXACT:
            yield each.problem(
                f"The column {name} is a {kind}, which Parquet files store inexactly.",
                "Cast it, as in `sum(quantity)::bigint`.",
                f"as {name}",
                name,
            )
    for name in each.table.event_key[1:]:
        if types.get(name, "").startswith("TIMESTAMP") or name not in types:
            continue
        yield each.problem(f"`event_time` is {name}, a {types[name]}.", "Name a column with a time.", "-- event_time")
    if (day := each.table.anomaly_check) is not None and types.get(day) not in (None, "DATE"):
        yield each.problem(
            f"`anomaly_check` is {day}, a {types[day]}.", "Name a column with a date.", "-- anomaly_check"
        )


def _expressions(connection: duckdb.DuckDBPyConnection, each: _Parsed, types: Mapping[str, str]) -> Iterator[Problem]:
    """The expressions of the header, over the table or its inputs."""
    table = each.table
    wanted = [(f"row_check {name}", sql, table.qualified, "BOOLEAN") for name, sql in table.row_checks.items()]
    wanted += [(f"audit {name}", sql, table.qualified, "BOOLEAN") for name, sql in table.audits.items()]
    if table.partition is not None:
        wanted.append(("partition", table.partition, table.qualified, ""))
    for source, groupings in table.affects.items():
        for grouping, column in zip(groupings, table.group_by, strict=True):
            wanted.append((f"input {source} affects", grouping.expression, source, types.get(column, "")))
    for header, sql, source, kind in wanted:
        needle = f"-- {header}"
        try:
            found = connection.execute(f"describe select {sql} from {source}").fetchall()
        except duckdb.Error as error:
            message = f"`{header}` cannot be read: {_sentence(error)}"
            yield each.problem(message, _remedy(error), needle)
            continue
        actual = found[0][1]
        if kind == "BOOLEAN" and actual != kind:
            yield each.problem(f"`{header}` is a {actual}.", "Write a condition that is true or false.", needle)
        elif kind and kind != "BOOLEAN" and not _comparable(connection, actual, kind):
            yield each.problem(
                f"`{header}`: {sql} is a {actual}, but the column of `group_by` is a {kind}.",
                "Give an expression of the column's type.",
                needle,
            )


def _foreign_keys(
    connection: duckdb.DuckDBPyConnection, each: _Parsed, parsed: Mapping[str, _Parsed], failed: set[str]
) -> Iterator[Problem]:
    own = _columns(connection, each.table.qualified)
    for reference in each.table.references:
        needle = f"-- foreign_key {', '.join(reference.columns)}"
        if reference.to not in parsed:
            yield each.problem(
                f"`foreign_key` refers to {reference.to}, which is no table.",
                nearest(reference.to, parsed, "Name a table of core or marts."),
                needle,
            )
            continue
        if reference.to in failed:
            continue
        other = _columns(connection, reference.to)
        unknown = [name for name in reference.columns if name not in own]
        unknown += [f"{reference.to}.{name}" for name in reference.to_columns if name not in other]
        if unknown or len(reference.columns) != len(reference.to_columns):
            what = f"there is no column {', '.join(unknown)}" if unknown else "the two lists differ in length"
            yield each.problem(f"`foreign_key`: {what}.", "Write `-- foreign_key COLUMNS: TABLE (COLUMNS)`.", needle)
            continue
        for column, to in zip(reference.columns, reference.to_columns, strict=True):
            if not _comparable(connection, own[column], other[to]):
                yield each.problem(
                    f"`foreign_key`: {column} is a {own[column]}, {reference.to}.{to} a {other[to]}.",
                    "Cast one of them in its SELECT.",
                    needle,
                )


def _comparable(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        connection.execute(f"describe select null::{one} = null::{other}")
    except duckdb.Error:
        return False
    return (one == "VARCHAR") == (other == "VARCHAR")


def _sql_problem(each: _Parsed, error: duckdb.Error) -> Problem:
    """The problem of a statement that does not bind, at the line of the file that has the same text."""
    text = str(error)
    needles = [f"{each.table.sql.splitlines()[0]}"]
    if match := _LINE.search(text):
        lines = each.table.sql.splitlines()
        number = int(match.group(1)) - 2
        if 0 <= number < len(lines):
            needles.insert(0, lines[number])
    return each.problem(_sentence(error), _remedy(error), *needles)


def _sentence(error: duckdb.Error) -> str:
    """DuckDB's message, without its kind, its suggestions and the position."""
    text = str(error).partition(_POSITION)[0].partition("\nCandidate")[0].partition("\n\n")[0]
    sentence = " ".join(text.partition(": ")[2].split()) or text
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def _remedy(error: duckdb.Error) -> str:
    candidates = re.search(r"Candidate bindings: (.+)", str(error))
    if candidates is None:
        return "Correct the SQL."
    names = ", ".join(re.findall(r'"([^"]+)"', candidates.group(1))[:3])
    return f"Columns with similar names: {names}."


def _exists(connection: duckdb.DuckDBPyConnection, qualified: str) -> bool:
    return qualified in _tables(connection)


def _tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    rows = connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
    return {row[0] for row in rows}


def _columns(connection: duckdb.DuckDBPyConnection, qualified: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"describe {qualified}").fetchall()}
