"""How a table is brought up to date with its inputs, in one transaction, from what changed since the last time.

Both ways write only rows that really differ, so a build that learns nothing new changes nothing. A full build is the
same with all rows for the changed ones. Nothing here knows of any particular table.
"""

# ruff: noqa: S608  names and expressions come from the tables' own files; dates in bounds are rendered, not quoted

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from contracts.errors import Terminal
from warehouse import watermarks
from warehouse.lake import CATALOG, Lake, quoted
from warehouse.tables import Table

READ_AHEAD = 100
"""A watermark is moved without any change once it lags this many snapshots, so that old snapshots can expire."""


@dataclass(frozen=True)
class Changes:
    """Rows written by a build."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class _Columns:
    """Names and types of the columns that a table's SELECT yields."""

    types: dict[str, str]

    @property
    def names(self) -> str:
        return ", ".join(map(_name, self.types))


def has_work(lake: Lake, table: Table) -> bool:
    """Whether `bring_up_to_date` might write anything. A quick look from outside, without the lock."""
    marks = watermarks.read(lake, table.qualified)
    if table.qualified not in lake.columns() or not _as_built(table, marks):
        return True
    oldest = min(mark.snapshot_id for mark in marks.values())
    return lake.snapshot() - oldest >= READ_AHEAD or bool(lake.changed_since(oldest) & set(table.inputs))


def bring_up_to_date(lake: Lake, table: Table, *, full: bool) -> Changes:
    """Read what changed in the inputs and write the rows that differ, within the transaction that is open.

    Reads everything where `full`, on the first build, after the table's file changed, and after an input was created
    anew.

    Raises:
        Terminal: an input does not exist, or the SELECT yields a key twice.
    """
    present = lake.columns()
    _require_inputs(table, present)
    snapshot = lake.snapshot()
    marks = watermarks.read(lake, table.qualified)
    columns = _described(lake, table.sql)
    existing = present.get(table.qualified)
    as_built = _as_built(table, marks)
    if existing != columns.types:
        _create(lake, table, columns, replacing=existing is not None)
    if full or not as_built or existing != columns.types:
        if existing == columns.types and not as_built:
            _comment(lake, table, columns)
        changes = _recompute(lake, table, columns, scoped=False)
    else:
        since = {name: marks[name].snapshot_id for name in table.inputs}
        found = _append(lake, table, columns, since, snapshot) if table.append else None
        if not table.append and _touched(lake, table, since, snapshot):
            found = _recompute(lake, table, columns, scoped=True)
        if found is None and snapshot - min(since.values()) < READ_AHEAD:
            return Changes()
        changes = found or Changes()
    watermarks.move(lake, table.qualified, table.inputs, snapshot, table.definition)
    return changes


def _as_built(table: Table, marks: dict[str, watermarks.Watermark]) -> bool:
    """Whether the table was built from all its inputs by its file as it is now."""
    return all(name in marks and marks[name].definition == table.definition for name in table.inputs)


def _append(lake: Lake, table: Table, columns: _Columns, since: dict[str, int], snapshot: int) -> Changes | None:
    """Run the SELECT over the new rows of the input and insert the events that are not there yet.

    None where the input has no new rows.
    """
    (source,) = table.inputs
    if since[source] >= snapshot:
        return None
    schema, name = source.split(".")
    lake.connection.execute(
        f'create or replace temp view "{source}" as select * from ducklake_table_insertions('
        f"'{CATALOG}', '{schema}', '{name}', {since[source] + 1}, {snapshot})"
    )
    if not lake.value(f'select exists (from temp."{source}")'):
        return None
    lake.connection.execute(f"create or replace temp table result as {_over_views(table)}")
    _require_unique_key(lake, table)
    bounds = _bounds(lake, "result", {column: _name(column) for column in table.append}, columns.types)
    same = _equal("result", "present", table.append)
    lake.connection.execute(
        f"create or replace temp table added as select * from result anti join"
        f" (select {_names(table.append)} from {table.qualified} {bounds}) present on {same}"
    )
    return _insert(lake, table, columns, "added")


def _touched(lake: Lake, table: Table, since: dict[str, int], snapshot: int) -> bool:
    """Find the groups that changes of the inputs touch, into the temporary table `scope`; False when there are none."""
    parts: list[str] = []
    for source, expressions in table.scopes.items():
        if since[source] >= snapshot:
            continue
        schema, name = source.split(".")
        values = ", ".join(f"{expression} as _scope_{number}" for number, expression in enumerate(expressions))
        parts.append(
            f"select {values} from ducklake_table_changes('{CATALOG}', '{schema}', '{name}',"
            f" {since[source] + 1}, {snapshot})"
        )
    if not parts:
        return False
    lake.connection.execute(f"create or replace temp table scope as {' union '.join(parts)}")
    return lake.value("select exists (from scope)")


def _recompute(lake: Lake, table: Table, columns: _Columns, *, scoped: bool) -> Changes:
    """Compute the groups in `scope` again, or all of them, and write the rows that differ."""
    if scoped:
        for source, expressions in table.scopes.items():
            restricted = _restricted(lake, source, expressions)
            lake.connection.execute(f'create or replace temp view "{source}" as {restricted}')
        before = _restricted(lake, table.qualified, tuple(map(_name, table.scope)))
    else:
        before = f"select * from {table.qualified}"
    lake.connection.execute(f"create or replace temp table result as {_over_views(table) if scoped else table.sql}")
    _require_unique_key(lake, table)
    if not lake.value(f"select exists ({before})"):
        return _insert(lake, table, columns, "result")
    lake.connection.execute(f"create or replace temp table before as select {columns.names} from ({before})")
    lake.connection.execute("create or replace temp table added as from result except from before")
    lake.connection.execute("create or replace temp table gone as from before except from result")
    return _merge(lake, table, columns)


def _merge(lake: Lake, table: Table, columns: _Columns) -> Changes:
    """Replace the rows in `gone` by those in `added`: equal keys are updated, the others deleted and inserted."""
    identity = table.append or table.key
    same = _equal("added", "gone", identity)
    updated = lake.value(f"select count(*) from added semi join gone on {same}")
    lake.connection.execute(f"create or replace temp table removed as from gone anti join added on {same}")
    deleted = lake.value("select count(*) from removed")
    added = lake.value("select count(*) from added")
    here = _equal("target", "source", identity)
    if deleted:
        lake.connection.execute(
            f"merge into {table.qualified} target using removed source on {here} when matched then delete"
        )
    if updated:
        rest = [_name(name) for name in columns.types if name not in identity]
        assignments = ", ".join(f"{name} = source.{name}" for name in rest)
        lake.connection.execute(
            f"merge into {table.qualified} target using (from added semi join gone on {same}) source on {here}"
            f" when matched then update set {assignments}"
        )
    if added > updated:
        lake.connection.execute(f"create or replace temp table fresh as from added anti join gone on {same}")
        _insert(lake, table, columns, "fresh")
    return Changes(inserted=added - updated, updated=updated, deleted=deleted)


def _insert(lake: Lake, table: Table, columns: _Columns, rows: str) -> Changes:
    count = lake.value(f"select count(*) from {rows}")
    if count:
        order = f" order by {_names(table.append or table.key)}"
        lake.connection.execute(
            f"insert into {table.qualified} ({columns.names}) select {columns.names} from {rows}{order}"
        )
    return Changes(inserted=count)


def _restricted(lake: Lake, source: str, expressions: tuple[str, ...]) -> str:
    """A query for the rows of a table that belong to the groups in `scope`."""
    scope_columns = {f"_scope_{number}": expression for number, expression in enumerate(expressions)}
    types = _described(lake, "from scope").types
    bounds = _bounds(lake, "scope", scope_columns, types)
    same = " and ".join(f"scope.{column} is not distinct from ({value})" for column, value in scope_columns.items())
    return f"select source.* from (select * from {CATALOG}.{source} {bounds}) source semi join scope on {same}"


def _bounds(lake: Lake, rows: str, values: dict[str, str], types: dict[str, str]) -> str:
    """A WHERE clause that repeats the range of times in `rows` as constants, by which files are left unopened.

    `values` maps the columns of `rows` to the expressions that the clause is about.
    """
    clauses: list[str] = []
    for column, expression in values.items():
        if types[column] not in ("DATE", "TIMESTAMP WITH TIME ZONE"):
            continue
        low, high, nulls = lake.connection.execute(
            f"select min({column})::varchar, max({column})::varchar, count(*) - count({column}) from {rows}"
        ).fetchall()[0]
        if low is not None and not nulls:
            kind = types[column]
            clauses.append(f"{expression} between {kind} {quoted(low)} and {kind} {quoted(high)}")
    return f"where {' and '.join(clauses)}" if clauses else ""


def _over_views(table: Table) -> str:
    """The table's SELECT, reading the temporary views named like its inputs instead of the inputs."""
    sql = table.sql
    for source in table.inputs:
        sql = re.sub(rf"(?<![\w.]){re.escape(source)}(?![\w.])", f'temp."{source}"', sql)
    return sql


def _require_inputs(table: Table, present: Collection[str]) -> None:
    if missing := [name for name in table.inputs if name not in present]:
        raise Terminal(
            f"{table.qualified} reads {', '.join(missing)}, which does not exist yet.",
            remedy="Build the tables in the order of `headrace build`.",
        )


def _require_unique_key(lake: Lake, table: Table) -> None:
    identity = _names(table.append or table.key)
    twice = lake.value(f"select count(*) from (select 1 from result group by {identity} having count(*) > 1)")
    if twice:
        raise Terminal(
            f"The SELECT of {table.qualified} yields {twice} keys ({identity}) more than once.",
            remedy=f"Correct {table.schema}/{table.name}.sql; the table is as it was.",
        )


def _described(lake: Lake, query: str) -> _Columns:
    return _Columns({row[0]: row[1] for row in lake.connection.execute(f"describe {query}").fetchall()})


def _create(lake: Lake, table: Table, columns: _Columns, *, replacing: bool) -> None:
    lake.connection.execute(f"create schema if not exists {table.schema}")
    if replacing:
        lake.connection.execute(f"drop table {table.qualified}")
        watermarks.forget_readers(lake, table.qualified)
    definitions = ", ".join(f"{_name(name)} {kind}" for name, kind in columns.types.items())
    lake.connection.execute(f"create table {table.qualified} ({definitions})")
    if table.partition is not None:
        lake.connection.execute(f"alter table {table.qualified} set partitioned by ({table.partition})")
    _comment(lake, table, columns)


def _comment(lake: Lake, table: Table, columns: _Columns) -> None:
    about = f"{table.grain} {table.description}"
    lake.connection.execute(f"comment on table {table.qualified} is {quoted(about)}")
    for name in columns.types:
        description = quoted(table.columns.get(name, ""))
        lake.connection.execute(f"comment on column {table.qualified}.{_name(name)} is {description}")


def _equal(left: str, right: str, columns: Iterable[str]) -> str:
    return " and ".join(f"{left}.{_name(name)} is not distinct from {right}.{_name(name)}" for name in columns)


def _names(columns: Iterable[str]) -> str:
    return ", ".join(map(_name, columns))


def _name(column: str) -> str:
    return f'"{column}"'
