"""Which groups of a table the changes of its inputs touch, and the rows that are needed to compute these groups.

The groups are kept in the temporary table `scope`, a column `_scope_N` for each column of the table's scope.
"""

# ruff: noqa: S608  names and expressions come from the tables' own files; values in bounds are rendered, not quoted

from collections.abc import Mapping, Sequence

from warehouse.lake import CATALOG, Lake, change_cache, quoted
from warehouse.lake.target import ORDERED
from warehouse.statements import truncated_column
from warehouse.tables import Grouping, Table


def find_touched(lake: Lake, table: Table, since: dict[str, int], snapshot: int) -> bool:
    """Put the groups that changes of the inputs touch into `scope`; False when there are none.

    A row that was only moved to another file, as `ducklake_rewrite_data_files` does, has not changed.
    """
    parts: list[str] = []
    changed = lake.changed_since(min(since.values()))
    for source, groupings in table.scopes.items():
        if since[source] >= snapshot or source not in changed:
            continue
        values = ", ".join(f"{_groups(each)} as _scope_{number}" for number, each in enumerate(groupings))
        rows = change_cache.changes(lake, source, since[source], snapshot) or _changes(source, since[source], snapshot)
        parts.append(f"select {values} from {rows}")
    if not parts:
        return False
    lake.connection.execute(
        f"create or replace temp table scope as select distinct * from ({' union all '.join(parts)})"
    )
    return lake.value("select exists (from scope)")


def all_groups(table: Table) -> str:
    """A query for every group that the rows of the inputs count in, in the columns of `scope`."""
    parts: list[str] = []
    for source, groupings in table.scopes.items():
        values = ", ".join(f"{_groups(each)} as _scope_{number}" for number, each in enumerate(groupings))
        parts.append(f"select {values} from {source}")
    return f"select distinct * from ({' union all '.join(parts)})"


def _changes(source: str, since: int, snapshot: int) -> str:
    schema, name = source.split(".")
    return (
        "(select * exclude (snapshot_id, rowid, change_type)"
        f" from ducklake_table_changes('{CATALOG}', '{schema}', '{name}', {since + 1}, {snapshot})"
        " group by all having count(*) filter (change_type in ('insert', 'update_postimage')) * 2 <> count(*))"
    )


def within_scope(lake: Lake, source: str, groupings: Sequence[Grouping]) -> str:
    """A query for the rows of a table that count in any of the groups in `scope`."""
    if lake.is_empty(source):
        # Not asked at all: to find out that there is nothing takes as long as to read a little.
        columns = ", ".join(f'null::{kind} as "{name}"' for name, kind in lake.columns()[source].items())
        return f"select {columns} where false"
    numbers = range(len(groupings))
    counted = lake.connection.execute(
        f"select {', '.join(f'count(_scope_{n}) = count(*)' for n in numbers)} from scope"
    )
    (all_set,) = counted.fetchall()
    same = " and ".join(_counts_in(f"scope._scope_{n}", groupings[n], is_set=all_set[n]) for n in numbers)
    limits = " and ".join(filter(None, (_limits(lake, source, n, groupings[n]) for n in numbers if all_set[n])))
    rows = f"select * from {CATALOG}.{source}" + (f" where {limits}" if limits else "")
    return f"select source.* from ({rows}) source semi join scope on {same}"


def only_scope(table: Table, rows: str) -> str:
    """A query for the rows of a result that belong to the groups in `scope`, where it may hold others."""
    same = " and ".join(
        f'scope._scope_{number} is not distinct from result."{column}"' for number, column in enumerate(table.scope)
    )
    return f"select result.* from ({rows}\n) result semi join scope on {same}"


def has_spans(table: Table) -> bool:
    """Whether the table's SELECT, given the rows of some groups, yields rows of others too."""
    return any(each.span > 1 for groupings in table.scopes.values() for each in groupings)


def time_ranges(lake: Lake, rows: str, types: Mapping[str, str], prefix: str = "") -> str:
    """A condition that repeats the ranges of times in some rows as constants, by which files are left unopened.

    Empty where there is none.
    """
    timed = [name for name, kind in types.items() if kind in ORDERED]
    if not timed:
        return ""
    values = ", ".join(f"min({n})::varchar, max({n})::varchar, count({n}) = count(*)" for n in map(_name, timed))
    (found,) = lake.connection.execute(f"select {values} from {rows}").fetchall()
    told = zip(timed, found[::3], found[1::3], found[2::3], strict=True)
    return " and ".join(
        f"{prefix}{_name(name)} between {types[name]} {quoted(low)} and {types[name]} {quoted(high)}"
        for name, low, high, all_set in told
        if all_set and low is not None
    )


def _groups(grouping: Grouping) -> str:
    """The value or, as rows, the values of the groups that a row counts in."""
    first, unit = grouping.expression, grouping.unit
    if grouping.span == 1:
        return first
    return f"unnest(generate_series({first}, {first} + interval {grouping.span - 1} {unit}, interval 1 {unit}))::date"


def _counts_in(group: str, grouping: Grouping, *, is_set: bool) -> str:
    first = f"({grouping.expression})"
    if grouping.span > 1:
        return f"{group} between {first} and {first} + interval {grouping.span - 1} {grouping.unit}"
    # Only an equality lets the join narrow down what is read.
    return f"{group} = {first}" if is_set else f"{group} is not distinct from {first}"


def _limits(lake: Lake, source: str, number: int, grouping: Grouping) -> str:
    """A condition that repeats the range of a column of `scope` as constants, by which files are left unopened.

    It is about a plain column, since nothing is known of a file but the ranges of its columns.
    """
    found = truncated_column(grouping.expression)
    kind = None if found is None else lake.columns()[source].get(found[0])
    if found is None or kind not in ORDERED:
        return ""
    column, unit = _name(found[0]), found[1]
    reach = f" - interval {grouping.span - 1} {grouping.unit}" if grouping.span > 1 else ""
    after = f" + interval 1 {unit}" if unit else ""
    ((low, high),) = lake.connection.execute(
        f"select (min(_scope_{number}){reach})::{kind}::varchar, (max(_scope_{number}){after})::{kind}::varchar"
        " from scope"
    ).fetchall()
    return f"{column} >= {kind} {quoted(low)} and {column} <= {kind} {quoted(high)}"


def _name(column: str) -> str:
    return f'"{column}"'
