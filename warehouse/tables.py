"""The tables of `core` and `marts`, read from their files: `sql/<schema>/<name>.sql`, one SELECT each.

A file begins with a comment that says, first, the grain, and then, one a line (a line that begins with `--     ` goes
on with the one before it):

    -- key: columns that identify a row
    -- case: ecommerce | data_science | operations
    -- description: what the table is for
    -- dimension: true, where the table goes into the published file though it is no mart
    -- partition: DuckLake partition expressions
    -- reference COLUMNS: TABLE (COLUMNS) that every row with these columns set must find
    -- column NAME: description, for every column

and how it increments, in one of two ways:

    -- append: columns that identify an event. The table only grows: the SELECT is run over what is new in its one
       input, and events that are already there are left out. One of the columns is the event's time, which bounds the
       search; a column `received_at` tells which of two was there first. Where the key is there with another time, the
       later row goes to quarantine.
    -- scope: columns of the table by which it falls apart into groups that can be computed alone
    -- input TABLE: expressions over the input's columns that give the scope of a row, for every input
       Groups touched by a change of any input are computed again, and only rows that differ are written. Where a row
       counts in more than one group, as in a window of days, the expression says so: `order_date for 28 days` is the
       groups of that day and the 27 after it. What the file's SELECT says of other groups is not looked at.

What its rows must be like:

    -- rule NAME: an expression over a row; rows of which it is false go to `quarantine.<schema>_<name>` instead
    -- require NAME: an expression over the whole table; where it is false the build is undone, and nothing reads it
    -- volume: the day of a row; each day is to have about as many rows as such days usually have

The key must be set: in a table that has a quarantine, a row without it goes there too.

Adding a table is adding a file. What the engine does with these is in `warehouse.incremental.engine`.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Literal, cast, get_args

import duckdb

from contracts.errors import HeadraceError
from contracts.topics import Case as TopicCase
from warehouse.lake.text import quoted

Case = TopicCase | Literal["operations"]
CASES = (*get_args(TopicCase), "operations")
SQL_FOLDER = Path(__file__).parent / "sql"
SCHEMAS = ("core", "marts")
QUARANTINE = "quarantine"
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_KINDS = "key|case|description|dimension|partition|append|scope|reference|input|column|rule|require|volume"
_HEADER = re.compile(rf"-- (?P<kind>{_KINDS})(?: (?P<subject>[^:]+))?: (?P<value>.+)")
_DOCUMENTING = re.compile(r"-- (?:case|description|dimension|column|reference|require|volume)\b")
_CONTINUED = "\n--     "
_SPAN = re.compile(r"(?P<expression>.+) for (?P<count>\d+) (?P<unit>day|month)s")
_REFERENCE = re.compile(r"(?P<table>\S+) \((?P<columns>.+)\)")


class InvalidTable(HeadraceError):  # noqa: N818
    """A table's file does not follow the form above: a mistake of whoever wrote it."""


@dataclass(frozen=True)
class Reference:
    """Rows whose `columns` are all set must find a row with the same `to_columns` in table `to`."""

    columns: tuple[str, ...]
    to: str
    to_columns: tuple[str, ...]


@dataclass(frozen=True)
class Grouping:
    """The value, in one column of the scope, of the groups that a row of an input counts in.

    That is the value of `expression`, and where `span` is more than 1 the `span - 1` days or months after it too.
    """

    expression: str
    span: int = 1
    unit: str = "day"


@dataclass(frozen=True)
class Table:
    """One table of the warehouse. `inputs` and `qualified` are names with their schema, such as `core.orders`.

    `scopes` gives, for each input, the groups that a row of it counts in, in the order of `scope`; a table that appends
    has neither, but `append`. `definition` is the hash of all that decides about the rows, `documentation` of the rest.
    """

    schema: str
    name: str
    grain: str
    description: str
    case: Case
    key: tuple[str, ...]
    inputs: tuple[str, ...]
    sql: str
    columns: Mapping[str, str]
    definition: str
    documentation: str = ""
    append: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    scopes: Mapping[str, tuple[Grouping, ...]] = field(default_factory=dict[str, tuple[Grouping, ...]])
    partition: str | None = None
    dimension: bool = False
    references: tuple[Reference, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict[str, str])
    requirements: Mapping[str, str] = field(default_factory=dict[str, str])
    volume: str | None = None

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns by which the engine tells rows apart."""
        return self.append or self.key

    @property
    def quarantine(self) -> str | None:
        """The table of the rows that are refused, where rows can be: there are rules, or events may be told twice."""
        return f"{QUARANTINE}.{self.schema}_{self.name}" if self.rules or self.append else None

    @property
    def published(self) -> bool:
        """Whether the table goes into the plain DuckDB file."""
        return self.schema == "marts" or self.dimension


@cache
def all_tables() -> tuple[Table, ...]:
    """Every table, each after those it reads."""
    tables = {table.qualified: table for table in map(_read, sorted(SQL_FOLDER.glob("*/*.sql")))}
    graph = {name: [source for source in table.inputs if source in tables] for name, table in tables.items()}
    return tuple(tables[name] for name in TopologicalSorter(graph).static_order())


def comes_apart(referring: Table, reference: Reference) -> bool:
    """Whether the two ends of a reference come from different topics, so that either may arrive first."""
    return not _raw_inputs(referring) & _raw_inputs(table(reference.to))


def _raw_inputs(of: Table) -> set[str]:
    """The raw tables that a table is made from in the end."""
    known = {each.qualified: each for each in all_tables()}
    return {raw for name in of.inputs for raw in (_raw_inputs(known[name]) if name in known else {name})}


def table(qualified: str) -> Table:
    """A table by its name with schema.

    Raises:
        KeyError: there is no such table.
    """
    return {each.qualified: each for each in all_tables()}[qualified]


def _read(path: Path) -> Table:
    return parse(path.parent.name, path.stem, path.read_text(encoding="utf-8"))


def parse(schema: str, name: str, text: str) -> Table:
    """Read a table's file.

    Raises:
        InvalidTable: the file does not follow the form.
    """
    where = f"{schema}.{name}"
    if schema not in SCHEMAS or not _NAME.fullmatch(name):
        raise InvalidTable(f"{where}: tables are named like files, in sql/core and sql/marts.")
    comment, sql = _split(text)
    grain, *lines = comment
    said: dict[str, dict[str, str]] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise InvalidTable(f"{where}: cannot read the header line {line!r}.")
        said.setdefault(match["kind"], {})[match["subject"] or ""] = match["value"]
    plain = {kind: values[""] for kind, values in said.items() if "" in values}
    if missing := {"key", "case", "description"} - plain.keys():
        raise InvalidTable(f"{where}: the header lacks {', '.join(sorted(missing))}.")
    if plain["case"] not in CASES:
        raise InvalidTable(f"{where}: there is no case {plain['case']}.")
    parsed = Table(
        schema=schema,
        name=name,
        grain=grain.removeprefix("-- "),
        description=plain["description"],
        case=cast("Case", plain["case"]),
        key=_list(plain["key"]),
        inputs=_inputs(where, sql),
        sql=sql,
        columns=said.get("column", {}),
        definition=_hash([sql, *(line for line in lines if not _DOCUMENTING.match(line))]),
        documentation=_hash([grain, *(line for line in lines if _DOCUMENTING.match(line))]),
        append=_list(plain.get("append", "")),
        scope=_list(plain.get("scope", "")),
        scopes={source: tuple(map(_grouping, _list(value))) for source, value in said.get("input", {}).items()},
        partition=plain.get("partition"),
        dimension=plain.get("dimension") == "true",
        references=tuple(_reference(where, *item) for item in said.get("reference", {}).items()),
        rules=said.get("rule", {}),
        requirements=said.get("require", {}),
        volume=plain.get("volume"),
    )
    _check(parsed)
    return parsed


def _split(text: str) -> tuple[list[str], str]:
    """The lines of the comment that a file begins with, continued ones put together, and the statement after it."""
    lines = text.splitlines()
    end = next((number for number, line in enumerate(lines) if not line.startswith("-- ")), len(lines))
    header = "\n".join(lines[:end]).replace(_CONTINUED, " ").splitlines()
    return header or [""], "\n".join(lines[end:]).strip().removesuffix(";")


def _inputs(where: str, sql: str) -> tuple[str, ...]:
    with duckdb.connect() as parser:
        ((serialized,),) = parser.execute(f"select json_serialize_sql({quoted(sql)})").fetchall()
    parsed = json.loads(serialized)
    if parsed["error"]:
        raise InvalidTable(f"{where}: not a SELECT: {parsed['error_message']}")
    if len(parsed["statements"]) != 1:
        raise InvalidTable(f"{where}: not one statement.")
    return tuple(sorted(set(_tables_in(parsed))))


def _tables_in(parsed: Any) -> Iterator[str]:
    """Names of the tables with a schema in a parsed statement; those without are its own CTEs."""
    if isinstance(parsed, dict):
        if parsed.get("type") == "BASE_TABLE" and parsed["schema_name"]:
            yield f"{parsed['schema_name']}.{parsed['table_name']}"
        parsed = list(parsed.values())
    if isinstance(parsed, list):
        for part in parsed:
            yield from _tables_in(part)


def _check(parsed: Table) -> None:
    where = parsed.qualified
    if bool(parsed.append) == bool(parsed.scope):
        raise InvalidTable(f"{where}: the header says either `append` or `scope`.")
    if parsed.append and (len(parsed.inputs) != 1 or parsed.scopes):
        raise InvalidTable(f"{where}: a table that appends has one input, without scope.")
    if parsed.append and "received_at" not in parsed.columns:
        raise InvalidTable(f"{where}: a table that appends has a column `received_at`.")
    if parsed.scope and set(parsed.scopes) != set(parsed.inputs):
        raise InvalidTable(f"{where}: the inputs read are {parsed.inputs}, those with a scope {tuple(parsed.scopes)}.")
    if any(len(expressions) != len(parsed.scope) for expressions in parsed.scopes.values()):
        raise InvalidTable(f"{where}: every input gives one expression for each column of the scope.")
    if any(sum(each.span > 1 for each in groupings) > 1 for groupings in parsed.scopes.values()):
        raise InvalidTable(f"{where}: an input spans groups in one column of the scope at most.")
    if unknown := {*parsed.key, *parsed.append, *parsed.scope, *filter(None, [parsed.volume])} - parsed.columns.keys():
        raise InvalidTable(f"{where}: no description of column {', '.join(sorted(unknown))}.")


def _grouping(text: str) -> Grouping:
    match = _SPAN.fullmatch(text)
    return Grouping(match["expression"], int(match["count"]), match["unit"]) if match else Grouping(text)


def _hash(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _reference(where: str, columns: str, target: str) -> Reference:
    match = _REFERENCE.fullmatch(target)
    if match is None:
        raise InvalidTable(f"{where}: cannot read the reference {target!r}.")
    return Reference(_list(columns), match["table"], _list(match["columns"]))


def _list(value: str) -> tuple[str, ...]:
    """Split at the commas that stand outside parentheses."""
    parts, depth = [""], 0
    for character in value:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return tuple(part.strip() for part in parts if part.strip())
