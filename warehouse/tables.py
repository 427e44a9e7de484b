"""The tables of `core` and `marts`, read from their files: `sql/<schema>/<name>.sql`, one SELECT each.

A file is a template (`headrace.warehouse.templates`). It begins with a header, one entry a line; a line that begins
with `--     ` continues the one before it:

    -- grain: what one row is
    -- key: columns that identify a row
    -- domain: ecommerce | data_science | operations, or the name of a package
    -- description: what the table is for
    -- dimension: true, if the table is published although it is not a mart
    -- partition: DuckLake partition expressions
    -- foreign_key COLUMNS: TABLE (COLUMNS) that every row with these columns set must refer to
    -- column NAME: description, for every column; {{ about("TOPIC.FIELD") }} if it has the values of a topic's field

and how it is built, in one of two ways:

    -- materialized: incremental_append
    -- event_time: the column with the time of the event. The table only grows: the SELECT runs over the new rows of its
       one input, and events that are already there, by `event_id` and this time, are left out. The time bounds the
       search; a column `received_at` shows which of two rows was there first. Of the events with one key, the first to
       arrive stands and the others go to quarantine; events that fail a row check do not count.

    -- materialized: incremental_by_group
    -- group_by: columns of the table that divide it into groups which can be computed alone
    -- input TABLE affects: expressions over the input's columns that give the group that a row affects, for each input.
       Groups affected by a change of any input are computed again, and only rows that differ are written. Where a row
       affects several groups, as in a window of days, the expression says so: `order_date for 28 days` is the groups of
       that day and the 27 after it. Rows of other groups in the result of the SELECT are ignored.

Checks of its rows:

    -- row_check NAME: an expression over a row; rows of which it is false go to `quarantine.<schema>_<table>` instead
    -- audit NAME: an expression over the whole table; where it is false the build is rolled back
    -- anomaly_check: the day of a row; each day should have a usual number of rows

The key must be set: in a table that has a quarantine, a row without it goes there too.

The same rows must give the same result, in any order and at any time they are read: a full build and an incremental
one must agree, and events that are ingested again must change nothing. docs/explanation/warehouse.md has the rule.
`parse` rejects what the text alone shows, `all_tables` orders that leave ties (`headrace.warehouse.determinism`).

To add a table, add a file: here, or in `warehouse/core` or `warehouse/marts` of a package.
`headrace.warehouse.incremental.engine` builds the tables from these headers.
"""

import difflib
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

from jinja2 import TemplateError

from headrace.contracts import packages
from headrace.contracts.errors import HeadraceError
from headrace.contracts.packages import Claim, Package
from headrace.warehouse.determinism import instability, tie
from headrace.warehouse.statements import InvalidStatement, items, tables_read
from headrace.warehouse.templates import SQL_FOLDER, rendered
from headrace.warehouse.unique_keys import Keys

DOMAINS = ("ecommerce", "data_science", "operations")
SCHEMAS = ("core", "marts")
QUARANTINE = "quarantine"
REASONS = "_reasons"
"""The column that a quarantine has besides those of its table: names of the row checks that the row fails."""
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_PLAIN = ("grain", "key", "domain", "description", "dimension", "partition", "materialized", "event_time", "group_by")
_NAMED = ("input", "foreign_key", "column", "row_check", "audit")
_HEADERS = (*_PLAIN, "anomaly_check", *_NAMED)
_RENAMED = {
    "case": "domain",
    "append": "materialized: incremental_append` and `event_time",
    "scope": "materialized: incremental_by_group` and `group_by",
    "rule": "row_check",
    "require": "audit",
    "reference": "foreign_key",
    "volume": "anomaly_check",
}
"""Current names of the headers of files written before the first release."""
_HEADER = re.compile(r"-- (?P<kind>\w+)(?: (?P<subject>[^:]+))?: (?P<value>.+)")
_AFFECTS = " affects"
_DOCUMENTING = re.compile(r"-- (?:grain|domain|description|dimension|column|foreign_key|audit|anomaly_check)\b")
_APPEND, _BY_GROUP = "incremental_append", "incremental_by_group"
EVENT_ID = "event_id"
RECORD = ("_topic_id", "_partition", "_offset")
"""The columns that identify a record of a raw table."""
ARRIVAL = "received_at"
"""The column of a table of events that shows which of two events with one key arrived first."""
_CONTINUED = "\n--     "
_SPAN = re.compile(r"(?P<expression>.+) for (?P<count>\d+) (?P<unit>day|month)s")
_REFERENCE = re.compile(r"(?P<table>\S+) \((?P<columns>.+)\)")


class InvalidTable(HeadraceError):  # noqa: N818
    """A table's file does not follow the format above: a mistake of its author."""


@dataclass(frozen=True)
class Reference:
    """Rows whose `columns` are all set must find a row with the same `to_columns` in table `to`."""

    columns: tuple[str, ...]
    to: str
    to_columns: tuple[str, ...]


@dataclass(frozen=True)
class Grouping:
    """The values, in one column of `group_by`, of the groups that a row of an input affects.

    These are the value of `expression` and, if `span` is more than 1, the `span - 1` days or months after it.
    """

    expression: str
    span: int = 1
    unit: str = "day"


@dataclass(frozen=True)
class Table:
    """One table of the warehouse. `inputs` and `qualified` are names with their schema, such as `core.orders`.

    `affects` gives, for each input, the groups that a row of it affects, in the order of `group_by`. A table that
    appends has neither, but `event_key`: the columns that identify an event. `definition` is the hash of everything
    that decides about the rows, `documentation` of the rest.
    """

    schema: str
    name: str
    grain: str
    description: str
    domain: str
    key: tuple[str, ...]
    inputs: tuple[str, ...]
    sql: str
    columns: Mapping[str, str]
    definition: str
    documentation: str = ""
    event_key: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    affects: Mapping[str, tuple[Grouping, ...]] = field(default_factory=dict[str, tuple[Grouping, ...]])
    partition: str | None = None
    dimension: bool = False
    references: tuple[Reference, ...] = ()
    row_checks: Mapping[str, str] = field(default_factory=dict[str, str])
    audits: Mapping[str, str] = field(default_factory=dict[str, str])
    anomaly_check: str | None = None

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that identify a row for the engine."""
        return self.event_key or self.key

    @property
    def quarantine(self) -> str | None:
        """The table of rejected rows, if there are row checks, or an event may arrive twice; otherwise None."""
        return f"{QUARANTINE}.{self.schema}_{self.name}" if self.row_checks or self.event_key else None

    @property
    def published(self) -> bool:
        """Whether the table goes into the plain DuckDB file."""
        return self.schema == "marts" or self.dimension


@cache
def all_tables() -> tuple[Table, ...]:
    """Every table, each after those it reads."""
    tables = packages.by_name("table", _claims())
    keys = declared_keys(tables.values())
    for each in tables.values():
        if (found := tie(each.sql, keys)) is not None:
            raise InvalidTable(f"{each.qualified}: {found}.")
    graph = {name: [source for source in table.inputs if source in tables] for name, table in tables.items()}
    return tuple(tables[name] for name in TopologicalSorter(graph).static_order())


def table_files() -> Iterator[Path]:
    """The files of all tables: the core's and those of the active packages, without those that the project replaces."""
    replaced = packages.replaced()
    for package, path in _placed_files():
        if (package is not None and package.is_project) or f"{path.parent.name}.{path.stem}" not in replaced:
            yield path


def _placed_files() -> Iterator[tuple[Package | None, Path]]:
    for schema in SCHEMAS:
        yield from ((None, path) for path in sorted((SQL_FOLDER / schema).glob("*.sql")))
        for package in packages.active():
            yield from ((package, path) for path in packages.files(package, f"warehouse/{schema}", ".sql"))


def _claims() -> Iterator[Claim[Table]]:
    for package, path in _placed_files():
        read = parse(path.parent.name, path.stem, path.read_text(encoding="utf-8"))
        yield Claim(read.qualified, package, str(path), read)


def declared_keys(tables: Collection[Table]) -> dict[str, Keys]:
    """The keys of these tables and of the raw tables that they read, by name; none of a table that is not known."""
    known = {each.qualified: (frozenset(each.key), frozenset(each.identity)) for each in tables}
    raw = {name for each in tables for name in each.inputs if name.startswith("raw.")}
    return {**known, **dict.fromkeys(raw, (frozenset(RECORD),))}


def comes_apart(referring: Table, reference: Reference) -> bool:
    """Whether the two ends of a reference come from different topics, so that either may arrive first."""
    return not _raw_inputs(referring) & _raw_inputs(table(reference.to))


def _raw_inputs(of: Table) -> set[str]:
    """The raw tables that a table is derived from, directly or through others."""
    known = {each.qualified: each for each in all_tables()}
    return {raw for name in of.inputs for raw in (_raw_inputs(known[name]) if name in known else {name})}


def table(qualified: str) -> Table:
    """A table by its name with schema.

    Raises:
        KeyError: there is no such table.
    """
    return {each.qualified: each for each in all_tables()}[qualified]


def parse(schema: str, name: str, text: str) -> Table:
    """Read a table's file.

    Raises:
        InvalidTable: the file does not follow the form.
    """
    where = f"{schema}.{name}"
    if schema not in SCHEMAS or not _NAME.fullmatch(name):
        raise InvalidTable(f"{where}: tables are named like files, in sql/core and sql/marts.")
    try:
        comment, sql = _split(rendered(text))
    except TemplateError as error:
        raise InvalidTable(f"{where}: not a template: {error}") from error
    headers = _headers(where, comment)
    plain = {kind: values[""] for kind, values in headers.items() if "" in values}
    if missing := {"grain", "key", "domain", "description", "materialized"} - plain.keys():
        raise InvalidTable(f"{where}: the header lacks {', '.join(sorted(missing))}.")
    domains = dict.fromkeys((*DOMAINS, *(package.name for package in packages.active())))
    if plain["domain"] not in domains:
        raise InvalidTable(f"{where}: there is no domain {plain['domain']}; it is one of {', '.join(domains)}.")
    _check_materialized(where, plain)
    parsed = Table(
        schema=schema,
        name=name,
        grain=plain["grain"],
        description=plain["description"],
        domain=plain["domain"],
        key=items(plain["key"]),
        inputs=_inputs(where, sql),
        sql=sql,
        columns=headers.get("column", {}),
        definition=_hash([sql, *(line for line in comment if not _DOCUMENTING.match(line))]),
        documentation=_hash([line for line in comment if _DOCUMENTING.match(line)]),
        event_key=(EVENT_ID, plain["event_time"]) if plain["materialized"] == _APPEND else (),
        group_by=items(plain.get("group_by", "")),
        affects={
            source.removesuffix(_AFFECTS): tuple(map(_grouping, items(value)))
            for source, value in headers.get("input", {}).items()
        },
        partition=plain.get("partition"),
        dimension=plain.get("dimension") == "true",
        references=tuple(_reference(where, *item) for item in headers.get("foreign_key", {}).items()),
        row_checks=headers.get("row_check", {}),
        audits=headers.get("audit", {}),
        anomaly_check=plain.get("anomaly_check"),
    )
    _check(parsed)
    return parsed


def _headers(where: str, lines: list[str]) -> dict[str, dict[str, str]]:
    """The entries of a header by kind and, where the kind has one, subject."""
    headers: dict[str, dict[str, str]] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise InvalidTable(f"{where}: cannot read the header line {line!r}.")
        kind, subject = match["kind"], match["subject"] or ""
        if kind in _RENAMED:
            raise InvalidTable(f"{where}: the header `{kind}:` is now `{_RENAMED[kind]}:`.")
        if kind not in _HEADERS:
            near = difflib.get_close_matches(kind, _HEADERS, 1)
            meant = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(_HEADERS)}."
            raise InvalidTable(f"{where}: there is no header `{kind}`; {meant}")
        if bool(subject) != (kind in _NAMED):
            form = f"-- {kind}: VALUE" if subject else f"-- {kind} NAME: VALUE"
            raise InvalidTable(f"{where}: write {line!r} as `{form}`.")
        if kind == "input" and not subject.endswith(_AFFECTS):
            raise InvalidTable(f"{where}: write {line!r} as `-- input {subject} affects: {match['value']}`.")
        if subject in headers.setdefault(kind, {}):
            raise InvalidTable(f"{where}: the header has `{' '.join(filter(None, [kind, subject]))}` twice.")
        headers[kind][subject] = match["value"]
    return headers


def _check_materialized(where: str, plain: dict[str, str]) -> None:
    needed = {_APPEND: "event_time", _BY_GROUP: "group_by"}
    how = plain["materialized"]
    if how not in needed:
        raise InvalidTable(f"{where}: there is no `materialized: {how}`; it is {_APPEND} or {_BY_GROUP}.")
    other = needed[_BY_GROUP if how == _APPEND else _APPEND]
    if needed[how] not in plain or other in plain:
        raise InvalidTable(f"{where}: `materialized: {how}` goes with `{needed[how]}` and without `{other}`.")


def _split(text: str) -> tuple[list[str], str]:
    """The lines of the header, with continuation lines joined, and the statement after it."""
    lines = text.splitlines()
    end = next((number for number, line in enumerate(lines) if not line.startswith("-- ")), len(lines))
    header = "\n".join(lines[:end]).replace(_CONTINUED, " ").splitlines()
    return header or [""], "\n".join(lines[end:]).strip().removesuffix(";")


def _inputs(where: str, sql: str) -> tuple[str, ...]:
    try:
        return tables_read(sql)
    except InvalidStatement as error:
        raise InvalidTable(f"{where}: {error}") from error


def _check(parsed: Table) -> None:
    where = parsed.qualified
    expressions = [each.expression for groupings in parsed.affects.values() for each in groupings]
    for sql in (parsed.sql, *parsed.row_checks.values(), *parsed.audits.values(), *expressions):
        try:
            reason = instability(sql)
        except InvalidStatement as error:
            raise InvalidTable(f"{where}: {error}") from error
        if reason is not None:
            raise InvalidTable(f"{where}: {reason}, but the same rows must give the same result.")
    if parsed.event_key and (len(parsed.inputs) != 1 or parsed.affects):
        raise InvalidTable(f"{where}: an `{_APPEND}` table has one input, without `affects`.")
    if parsed.event_key and ARRIVAL not in parsed.columns:
        raise InvalidTable(f"{where}: an `{_APPEND}` table has a column `{ARRIVAL}`.")
    if parsed.group_by and set(parsed.affects) != set(parsed.inputs):
        raise InvalidTable(f"{where}: the inputs are {parsed.inputs}, those with `affects` {tuple(parsed.affects)}.")
    if any(len(expressions) != len(parsed.group_by) for expressions in parsed.affects.values()):
        raise InvalidTable(f"{where}: every input gives one expression for each column of `group_by`.")
    if any(sum(each.span > 1 for each in groupings) > 1 for groupings in parsed.affects.values()):
        raise InvalidTable(f"{where}: an input spans groups in one column of `group_by` at most.")
    if (
        unknown := {*parsed.key, *parsed.event_key, *parsed.group_by, *filter(None, [parsed.anomaly_check])}
        - parsed.columns.keys()
    ):
        raise InvalidTable(f"{where}: no description of column {', '.join(sorted(unknown))}.")


def _grouping(text: str) -> Grouping:
    match = _SPAN.fullmatch(text)
    return Grouping(match["expression"], int(match["count"]), match["unit"]) if match else Grouping(text)


def _hash(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _reference(where: str, columns: str, target: str) -> Reference:
    match = _REFERENCE.fullmatch(target)
    if match is None:
        raise InvalidTable(f"{where}: cannot read the foreign key {target!r}.")
    return Reference(items(columns), match["table"], items(match["columns"]))
