"""Which groups of a table the changes of its inputs affect, and the rows that are needed to compute these groups."""

# ruff: noqa: S608  names and expressions come from the tables' own files; values in bounds are rendered, not quoted

from collections.abc import Mapping, Sequence

from headrace.warehouse.incremental.plan import Input, Plan
from headrace.warehouse.lake import CATALOG, Lake, change_cache, quoted
from headrace.warehouse.lake.target import ORDERED
from headrace.warehouse.statements import truncated_column
from headrace.warehouse.tables import Grouping, Table

AFFECTED = "affected_groups"
"""The temporary table of the groups to compute, a column `_group_N` for each column of the table's scope. Only `put`
writes it."""


def put(lake: Lake, groups: str) -> None:
    """Set the groups to compute to the result of a query."""
    # The query may read the current groups.
    lake.connection.execute(f"create or replace temp table {AFFECTED} as select distinct * from ({groups})")


def find(lake: Lake, plan: Plan) -> bool:
    """Set the groups to those that the changes of the inputs affect; returns whether there are any.

    A row that was only moved to another file, as by `ducklake_rewrite_data_files`, has not changed.
    """
    put(lake, " union all ".join(_groups_in(plan.table, each.table, _changes(lake, each)) for each in plan.changed))
    return lake.value(f"select exists (from {AFFECTED})")


def all_groups(table: Table) -> str:
    """A query for every group that the rows of the inputs affect."""
    return f"select distinct * from ({' union all '.join(_groups_in(table, name, name) for name in table.affects)})"


def group_columns(count: int) -> list[str]:
    """The columns of `AFFECTED`, for `count` columns of a scope."""
    return [f"_group_{number}" for number in range(count)]


def _groups_in(table: Table, source: str, rows: str) -> str:
    values = ", ".join(f"{_groups(each)} as _group_{number}" for number, each in enumerate(table.affects[source]))
    return f"select {values} from {rows}"


def _changes(lake: Lake, read: Input) -> str:
    since = read.since or 0
    kept = change_cache.changes(lake, read.table, since, read.until)
    schema, name = read.table.split(".")
    return kept or (
        "(select * exclude (snapshot_id, rowid, change_type)"
        f" from ducklake_table_changes('{CATALOG}', '{schema}', '{name}', {since + 1}, {read.until})"
        " group by all having count(*) filter (change_type in ('insert', 'update_postimage')) * 2 <> count(*))"
    )


def rows_of_affected(lake: Lake, source: str, groupings: Sequence[Grouping]) -> str:
    """A query for the rows of a table that affect any of the groups to compute."""
    if lake.is_empty(source):
        # Not queried: reading an empty table takes as long as reading a few rows.
        columns = ", ".join(f'null::{kind} as "{name}"' for name, kind in lake.columns()[source].items())
        return f"select {columns} where false"
    numbers = range(len(groupings))
    counted = lake.connection.execute(
        f"select {', '.join(f'count(_group_{n}) = count(*)' for n in numbers)} from {AFFECTED}"
    )
    (all_set,) = counted.fetchall()
    same = " and ".join(_counts_in(f"{AFFECTED}._group_{n}", groupings[n], is_set=all_set[n]) for n in numbers)
    limits = " and ".join(filter(None, (_limits(lake, source, n, groupings[n]) for n in numbers if all_set[n])))
    rows = f"select * from {CATALOG}.{source}" + (f" where {limits}" if limits else "")
    return f"select source.* from ({rows}) source semi join {AFFECTED} on {same}"


def only_affected(table: Table, rows: str) -> str:
    """A query for the rows of a result that belong to the groups to compute, if it may contain others."""
    same = " and ".join(
        f'{AFFECTED}._group_{number} is not distinct from result."{column}"'
        for number, column in enumerate(table.group_by)
    )
    return f"select result.* from ({rows}\n) result semi join {AFFECTED} on {same}"


def has_spans(table: Table) -> bool:
    """Whether the table's SELECT, given the rows of some groups, yields rows of others too."""
    return any(each.span > 1 for groupings in table.affects.values() for each in groupings)


def time_ranges(lake: Lake, rows: str, types: Mapping[str, str], prefix: str = "") -> str:
    """A condition with the ranges of times in some rows as constants, which lets DuckLake skip files.

    Empty if there are no such columns or values.
    """
    timed = [name for name, kind in types.items() if kind in ORDERED]
    if not timed:
        return ""
    values = ", ".join(f"min({n})::varchar, max({n})::varchar, count({n}) = count(*)" for n in map(_name, timed))
    (found,) = lake.connection.execute(f"select {values} from {rows}").fetchall()
    ranges = zip(timed, found[::3], found[1::3], found[2::3], strict=True)
    return " and ".join(
        f"{prefix}{_name(name)} between {types[name]} {quoted(low)} and {types[name]} {quoted(high)}"
        for name, low, high, all_set in ranges
        if all_set and low is not None
    )


def _groups(grouping: Grouping) -> str:
    """The value or, as rows, the values of the groups that a row affects."""
    first, unit = grouping.expression, grouping.unit
    if grouping.span == 1:
        return first
    return f"unnest(generate_series({first}, {first} + interval {grouping.span - 1} {unit}, interval 1 {unit}))::date"


def _counts_in(group: str, grouping: Grouping, *, is_set: bool) -> str:
    first = f"({grouping.expression})"
    if grouping.span > 1:
        return f"{group} between {first} and {first} + interval {grouping.span - 1} {grouping.unit}"
    # Only an equality lets the join restrict the rows that are read.
    return f"{group} = {first}" if is_set else f"{group} is not distinct from {first}"


def _limits(lake: Lake, source: str, number: int, grouping: Grouping) -> str:
    """A condition with the range of a column of the groups as constants, which lets DuckLake skip files.

    It is on a plain column, since the catalog only has the ranges of a file's columns.
    """
    found = truncated_column(grouping.expression)
    kind = None if found is None else lake.columns()[source].get(found[0])
    if found is None or kind not in ORDERED:
        return ""
    column, unit = _name(found[0]), found[1]
    reach = f" - interval {grouping.span - 1} {grouping.unit}" if grouping.span > 1 else ""
    after = f" + interval 1 {unit}" if unit else ""
    ((low, high),) = lake.connection.execute(
        f"select (min(_group_{number}){reach})::{kind}::varchar, (max(_group_{number}){after})::{kind}::varchar"
        f" from {AFFECTED}"
    ).fetchall()
    return f"{column} >= {kind} {quoted(low)} and {column} <= {kind} {quoted(high)}"


def _name(column: str) -> str:
    return f'"{column}"'
