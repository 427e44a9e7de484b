"""How a table is brought up to date with its inputs, in one transaction, from what changed since the last time.

Both ways write only rows that really differ, so a build that learns nothing new changes nothing. A full build is the
same with all rows for the changed ones. Rows that break a rule of the table are written in the same way, to its
quarantine. Nothing here knows of any particular table.
"""

# ruff: noqa: S608  names and expressions come from the tables' own files

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from contracts.errors import Terminal
from warehouse.incremental.affected_groups import (
    all_groups,
    find_touched,
    has_spans,
    only_scope,
    time_ranges,
    within_scope,
)
from warehouse.incremental.checks import CheckResult, evaluate, keep
from warehouse.incremental.merge import REASONS, replace_rows
from warehouse.lake import Lake, change_cache, quoted, watermarks
from warehouse.lake.partitions import adopt
from warehouse.lake.target import NOTHING, Changes, Target, names_of, same_identity
from warehouse.statements import reading
from warehouse.tables import Grouping, Table

READ_AHEAD = 1_000
"""A watermark is moved without any change once it lags this many snapshots, so that old snapshots can expire."""
ARRIVAL = "received_at"
"""The column by which, of two rows with one event id and different times, the first is known."""
DUPLICATE_ID = "duplicate event id with another time"
SUSPECTS, APART = "temp.suspects", "temp.apart"
"""What a build that failed was to compute, numbered by `_n`, and what of it cannot be computed, with the reason."""
GROUPS = "quarantine.groups"
"""The groups of a table that could not be computed (`warehouse.incremental.failing_groups`): the values of its scope,
or topic id, partition and offset of the input's record."""
RECORD = ("_topic_id", "_partition", "_offset")


class Blocked(Terminal):
    """What a table requires of its rows would not hold, so its build was undone."""

    def __init__(self, table: Table, checks: list[CheckResult]) -> None:
        failed = [each for each in checks if each.check.is_blocking and not each.passed]
        super().__init__(
            f"{table.qualified} would break {', '.join(f'{each.check.name} ({each.description})' for each in failed)}.",
            remedy="Its rows are as they were; correct the input or the file and build again.",
        )
        self.checks = checks


@dataclass(frozen=True)
class Built:
    """What a build wrote, to the table and to its quarantine, and what its checks found: None if nothing was built.

    `redefined`: the table's file is not the one that it was built by before.
    """

    changes: Changes = NOTHING
    quarantined: Changes = NOTHING
    checks: tuple[CheckResult, ...] | None = None
    redefined: bool = False


def has_work(lake: Lake, table: Table) -> bool:
    """Whether `bring_up_to_date` might write anything. A quick look from outside, without the lock."""
    marks = watermarks.read(lake, table.qualified)
    if table.qualified not in lake.columns() or not as_built(lake, table, marks) or not _documented(table, marks):
        return True
    oldest = min(mark.snapshot_id for mark in marks.values())
    return lake.snapshot() - oldest >= READ_AHEAD or bool(lake.changed_since(oldest) & set(table.inputs))


def bring_up_to_date(lake: Lake, tables: Sequence[Table], *, full: bool, is_apart: bool = False) -> list[Built]:
    """Read what changed in the inputs and write the rows that differ, within the transaction that is open.

    Where `is_apart`, without what is in the temporary table `apart`; then it is one table.

    None of the tables may read another. Reads everything where `full`, on the first build, after a table's SQL changed,
    after an input was created anew, and when snapshots since its last build have expired.

    Raises:
        Blocked: the rows would break what their table requires.
        Terminal: an input does not exist, or a SELECT yields a key twice.
    """
    snapshot = lake.snapshot()
    built = [_bring_up_to_date(lake, table, snapshot, full=full, is_apart=is_apart) for table in tables]
    # What was read and found is written down for all at once: each statement on the lake takes tens of milliseconds.
    read = [(table, each) for table, each in zip(tables, built, strict=True) if each is not None]
    if read:
        keep(lake, {table.qualified: each.checks for table, each in read if each.checks is not None})
        marks = {table.qualified: [_mark(table, name, snapshot) for name in table.inputs] for table, _ in read}
        watermarks.move_all(lake, marks)
    return [each or Built() for each in built]


def _mark(table: Table, source: str, snapshot: int) -> watermarks.Watermark:
    return watermarks.Watermark(source, snapshot, f"{table.definition} {table.documentation}")


def _bring_up_to_date(lake: Lake, table: Table, snapshot: int, *, full: bool, is_apart: bool) -> Built | None:
    """None where there was nothing to read, and the table's watermark is near enough."""
    present = lake.columns()
    _require_inputs(table, present)
    marks = watermarks.read(lake, table.qualified)
    columns = described(lake, table.sql)
    existing = present.get(table.qualified)
    if existing != columns:
        _create(lake, table, columns, replacing=existing is not None)
    elif not _documented(table, marks):
        _comment(lake, table, columns)
    built: Built | None = None
    redefined = existing != columns or not _documented(table, marks) or not as_built(lake, table, marks)
    if existing == columns and not as_built(lake, table, marks):
        for name in filter(None, (table.qualified, table.quarantine)):
            adopt(lake, name, table.partition)
    if full or existing != columns or not as_built(lake, table, marks):
        with lake.all_threads():
            compute(lake, table, _without(lake, table) if is_apart else table.sql)
            built = _write(lake, table, columns, of_scope=False)
        _settle(lake, table, "true", is_apart=is_apart)
    else:
        since = {name: marks[name].snapshot_id for name in table.inputs}
        if table.append:
            built = _append(lake, table, columns, since, snapshot, is_apart=is_apart)
            _settle(lake, table, "false", is_apart=is_apart)
        elif find_touched(lake, table, since, snapshot):
            built = _recompute(lake, table, columns, is_apart=is_apart)
            _settle(lake, table, f"group_values in (select {_values(table)} from scope)", is_apart=is_apart)
        if built is None and snapshot - min(since.values()) < READ_AHEAD and not redefined:
            return None
    checks = None if built is None else _check(lake, table, is_apart=is_apart)
    return replace(built or Built(), checks=checks, redefined=redefined)


def as_built(lake: Lake, table: Table, marks: dict[str, watermarks.Watermark]) -> bool:
    """Whether the table was built from all its inputs by its SQL as it is now, and all changes since can be read."""
    if not all(name in marks and marks[name].definition.split()[0] == table.definition for name in table.inputs):
        return False
    return lake.remembers_all_since(min(mark.snapshot_id for mark in marks.values()))


def _documented(table: Table, marks: dict[str, watermarks.Watermark]) -> bool:
    return all(mark.definition.endswith(f" {table.documentation}") for mark in marks.values())


def _append(
    lake: Lake, table: Table, columns: dict[str, str], since: dict[str, int], snapshot: int, *, is_apart: bool
) -> Built | None:
    """Run the SELECT over the new rows of the input and insert the events that are not there yet.

    None where the input has no new rows.
    """
    (source,) = table.inputs
    if since[source] >= snapshot:
        return None
    rows = change_cache.insertions(lake, source, since[source], snapshot)
    present = f"anti join {APART} set_apart on {same_record()}" if is_apart else ""
    lake.connection.execute(f'create or replace temp view "{source}" as select record.* from {rows} record {present}')
    if not lake.value(f'select exists (from temp."{source}")'):
        return None
    compute(lake, table, over_views(table))
    computed = " union all ".join(
        f"select {names_of(table.append)} from {rows}" for _, rows in _targets(table, columns)
    )
    within = time_ranges(lake, f"({computed})", {column: columns[column] for column in table.append})
    bounds = f"where {within}" if within else ""
    identity = dict.fromkeys((*table.key, *table.append))
    lake.connection.execute(
        f"create or replace temp table known as select {names_of(identity)} from {table.qualified} {bounds}"
    )
    other_time = f"{same_identity('result', 'known', table.key)} and not ({same_identity('result', 'known', identity)})"
    lake.connection.execute(
        f"insert into refused select *, [{quoted(DUPLICATE_ID)}] from result semi join known on {other_time}"
    )
    lake.connection.execute(f"delete from result using known where {other_time}")
    if table.quarantine is not None and not lake.is_empty(table.quarantine):
        # What was refused once stays so when it comes again.
        same = same_identity("result", "known", table.append)
        lake.connection.execute(f"delete from result using (from {table.quarantine} {bounds}) known where {same}")
    same = same_identity("result", "present", table.append)
    written: list[Changes] = []
    for target, rows in _targets(table, columns):
        there = "known" if target.qualified == table.qualified else f"(from {target.qualified} {bounds})"
        new = "" if lake.is_empty(target.qualified) else f"anti join {there} present on {same}"
        lake.connection.execute(f"create or replace temp table added as select * from {rows} result {new}")
        written.append(target.insert(lake, "added"))
        change_cache.keep(lake, target.qualified, "from added", written[-1].inserted)
    return _wrote(written)


def _recompute(lake: Lake, table: Table, columns: dict[str, str], *, is_apart: bool) -> Built:
    """Compute the groups in `scope` again and write the rows that differ."""
    if is_apart:
        lake.connection.execute("create or replace temp table touched as from scope")
        _leave_out_apart(lake, table, "touched")
    compute(lake, table, of_scope(lake, table))
    if is_apart:
        lake.connection.execute("create or replace temp table scope as from touched")
    return _write(lake, table, columns, of_scope=True)


def of_scope(lake: Lake, table: Table) -> str:
    """The table's SELECT over the rows that the groups in `scope` need."""
    for source, groupings in table.scopes.items():
        lake.connection.execute(f'create or replace temp view "{source}" as {within_scope(lake, source, groupings)}')
    sql = over_views(table)
    return only_scope(table, sql) if has_spans(table) else sql


def _without(lake: Lake, table: Table) -> str:
    """The table's SELECT over all rows but those in `apart`."""
    if table.append:
        (source,) = table.inputs
        lake.connection.execute(
            f'create or replace temp view "{source}" as select record.* from {source} record'
            f" anti join {APART} set_apart on {same_record()}"
        )
        return over_views(table)
    lake.connection.execute(f"create or replace temp table touched as {all_groups(table)}")
    _leave_out_apart(lake, table, "touched")
    return of_scope(lake, table)


def _leave_out_apart(lake: Lake, table: Table, groups: str) -> None:
    names = [f"_scope_{number}" for number in range(len(table.scope))]
    lake.connection.execute(
        f"create or replace temp table scope as select distinct * from {groups} found"
        f" anti join {APART} set_apart on {same_identity('found', 'set_apart', names)}"
    )


def same_record() -> str:
    return " and ".join(f"record.{name} = set_apart._scope_{number}" for number, name in enumerate(RECORD))


def _values(table: Table) -> str:
    """The columns of a group, or of a record's place, as one list of text."""
    return f"[{', '.join(f'_scope_{number}::varchar' for number in range(len(table.scope or RECORD)))}]"


def _settle(lake: Lake, table: Table, computed: str, *, is_apart: bool) -> None:
    """Keep in `quarantine.groups` what is set apart now, in the place of what was of the groups that were computed."""
    if GROUPS not in lake.columns():
        if not is_apart:
            return
        lake.connection.execute("create schema if not exists quarantine")
        lake.connection.execute(
            f"create table {GROUPS} (table_name varchar, group_columns varchar[], group_values varchar[],"
            " reason varchar, since timestamptz)"
        )
        about = "Groups of tables, and records, that cannot be computed: the table has no rows of them."
        lake.connection.execute(f"comment on table {GROUPS} is {quoted(about)}")
    elif _has_apart(lake, table):
        lake.connection.execute(f"delete from {GROUPS} where table_name = {quoted(table.qualified)} and ({computed})")
    if is_apart:
        names = ", ".join(map(quoted, table.scope or RECORD))
        lake.connection.execute(
            f"insert into {GROUPS} select {quoted(table.qualified)}, [{names}], {_values(table)}, reason, now()"
            f" from {APART}"
        )


def _has_apart(lake: Lake, table: Table) -> bool:
    here = f"from {GROUPS} where table_name = {quoted(table.qualified)}"
    return GROUPS in lake.columns() and lake.value(f"select exists ({here})")


def _write(lake: Lake, table: Table, columns: dict[str, str], *, of_scope: bool) -> Built:
    """Write the rows computed in the place of all those there are, or of those in `scope`."""
    own_scope = [Grouping(f'"{column}"') for column in table.scope]
    written: list[Changes] = []
    for target, rows in _targets(table, columns):
        before = within_scope(lake, target.qualified, own_scope) if of_scope else f"select * from {target.qualified}"
        written.append(changes := replace_rows(lake, target, before, rows))
        count = changes.inserted + 2 * changes.updated + changes.deleted
        only_added = count == changes.inserted
        change_cache.keep(lake, target.qualified, "from added union all from gone", count, only_added=only_added)
    return _wrote(written)


def _wrote(written: Sequence[Changes]) -> Built:
    changes, quarantined = [*written, NOTHING][:2]
    return Built(changes, quarantined)


def compute(lake: Lake, table: Table, sql: str) -> None:
    """The rows of the SELECT as `result`, those that break a rule apart from them as `refused`."""
    lake.connection.execute(f"create or replace temp table result as {sql}")
    if table.quarantine is not None:
        broken = {"key is not set": " or ".join(f'"{column}" is null' for column in table.identity)}
        broken |= {name: f"not ({rule})" for name, rule in table.rules.items()}
        if table.append:
            order = names_of(dict.fromkeys((ARRIVAL, *table.append)))
            broken[DUPLICATE_ID] = f"row_number() over (partition by {names_of(table.key)} order by {order}) > 1"
        reasons = ", ".join(f"case when {test} then {quoted(name)} end" for name, test in broken.items())
        lake.connection.execute(
            f"create or replace temp table refused as select * from (select *, list_filter([{reasons}],"
            f" lambda each: each is not null) as {REASONS} from result) where len({REASONS}) > 0"
        )
        same = same_identity("result", "refused", table.identity)
        lake.connection.execute(f"delete from result using refused where {same}")
    identity = names_of(table.identity)
    twice = lake.value(f"select count(*) from (select 1 from result group by {identity} having count(*) > 1)")
    if twice:
        raise Terminal(
            f"The SELECT of {table.qualified} yields {twice} keys ({identity}) more than once.",
            remedy=f"Correct {table.schema}/{table.name}.sql; the table is as it was.",
        )


def _targets(table: Table, columns: dict[str, str]) -> list[tuple[Target, str]]:
    """What is written to: the table from `result` and, where it has one, its quarantine from `refused`."""
    targets = [(Target(table.qualified, table.identity, columns, table.partition), "result")]
    if table.quarantine is not None:
        kinds = columns | {REASONS: "VARCHAR[]"}
        targets.append((Target(table.quarantine, table.identity, kinds, table.partition), "refused"))
    return targets


def _check(lake: Lake, table: Table, *, is_apart: bool) -> tuple[CheckResult, ...]:
    """Hold what was written against what the table promises: of all its rows nothing, where some are set apart."""
    results = evaluate(lake, table)
    blocking = [each.check.name for each in results if each.check.is_blocking and not each.passed]
    if blocking and ("key_is_unique" in blocking or not (is_apart or _has_apart(lake, table))):
        raise Blocked(table, results)
    return tuple(results)


def over_views(table: Table) -> str:
    """The table's SELECT, reading the temporary views named like its inputs instead of the inputs."""
    return reading(table.sql, {source: f'temp."{source}"' for source in table.inputs})


def _require_inputs(table: Table, present: Collection[str]) -> None:
    if missing := [name for name in table.inputs if name not in present]:
        raise Terminal(
            f"{table.qualified} reads {', '.join(missing)}, which does not exist yet.",
            remedy="Build the tables in the order of `headrace build`.",
        )


def described(lake: Lake, query: str) -> dict[str, str]:
    """Names and types of the columns that a query yields."""
    return {row[0]: row[1] for row in lake.connection.execute(f"describe {query}").fetchall()}


def _create(lake: Lake, table: Table, columns: dict[str, str], *, replacing: bool) -> None:
    """Create the table, empty, and its quarantine, with the columns as they are now."""
    names = [table.qualified] + ([table.quarantine] if table.quarantine else [])
    for name in names:
        kinds = columns if name == table.qualified else columns | {REASONS: "VARCHAR[]"}
        lake.connection.execute(f"create schema if not exists {name.split('.')[0]}")
        if replacing:
            lake.connection.execute(f"drop table if exists {name}")
        definitions = ", ".join(f'"{column}" {kind}' for column, kind in kinds.items())
        lake.connection.execute(f"create table {name} ({definitions})")
        if table.partition is not None:
            lake.connection.execute(f"alter table {name} set partitioned by ({table.partition})")
    if replacing:
        watermarks.forget_readers(lake, table.qualified)
    _comment(lake, table, columns)


def _comment(lake: Lake, table: Table, columns: dict[str, str]) -> None:
    about = f"{table.grain} {table.description}"
    lake.connection.execute(f"comment on table {table.qualified} is {quoted(about)}")
    for name in columns:
        description = quoted(table.columns.get(name, ""))
        lake.connection.execute(f'comment on column {table.qualified}."{name}" is {description}')
    if table.quarantine is not None:
        about = f"Rows that {table.qualified} would hold if they did not break its rules."
        lake.connection.execute(f"comment on table {table.quarantine} is {quoted(about)}")
        lake.connection.execute(
            f"comment on column {table.quarantine}.{REASONS} is {quoted('Names of the rules that the row breaks.')}"
        )
