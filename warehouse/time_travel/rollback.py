"""Rollback of builds: restores the rows that the built tables had at a snapshot, in one new snapshot.

`raw` is not changed: it is the record of what landed, and its files belong to DuckLake once registered. Nor are the
tables loaded from the staging schema. So the landing and staging offsets stay as well, nothing is loaded twice, and a
build after a rollback reads what the restored tables have not read yet. See docs/decisions for the reasons and holds.
"""

# ruff: noqa: S608  names come from the lake's catalog and the tables' own files, versions are numbers

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.contracts.errors import Terminal
from headrace.warehouse.ingest.connect_staging import STAGED_TABLES
from headrace.warehouse.lake import METADATA, Lake, quoted, watermarks
from headrace.warehouse.lake.partitions import TABLE, THEN, partition_of
from headrace.warehouse.lake.target import Target
from headrace.warehouse.tables import Table, all_tables
from headrace.warehouse.time_travel import holds
from headrace.warehouse.time_travel.history import as_of, columns_at, tables_at

RESTORED, UNDONE = "rows_to_restore", "rows_to_undo"
"""Temporary tables: the rows that a table had and has no more, and those that it has and had not."""
FORMER, FORMER_MARKS = "former_rows", "former_watermarks"
"""Temporary tables: all rows that a table had, and the watermarks of then."""
_KEPT = ("raw.", "meta.")
"""Schemas that a rollback does not change, like the staged tables: their rows come from outside."""


@dataclass(frozen=True)
class Restored:
    """The result of a rollback for one table. A `held` table is not built until its file changes or it is released."""

    table: str
    inserted: int
    deleted: int
    dropped: bool
    held: bool


@dataclass(frozen=True)
class Rollback:
    """The snapshot that was restored, and the result for each table that differed or is held."""

    to: int
    tables: tuple[Restored, ...]


def rollback(lake: Lake, to: int, only: Sequence[str] | None = None) -> Rollback:
    """Restore the rows and watermarks that the built tables, or only these, had at snapshot `to`.

    Raises:
        Transient: PostgreSQL is unavailable, or other writers were in the way at every attempt.
        Terminal: one of the tables is not a built table, or did not exist at `to`.
    """
    return lake.write(lambda: _rollback(lake, to, only))


def _rollback(lake: Lake, to: int, only: Sequence[str] | None) -> Rollback:
    then, now = _built(tables_at(lake, to)), _built(lake.columns())
    names = sorted(_required(only, then) if only is not None else then | now)
    lake.connection.execute(f"call lake.set_commit_message('headrace', 'rollback to {to}')")
    # 1. The rows. Tables created since are dropped; others are only written where they differ.
    changes = {name: _restore(lake, name, to, then, now) for name in names}
    # 2. The watermarks: as of then, or none where a build cannot resume from there.
    _restore_watermarks(lake, to, names, remade={name for name in names if name not in now or changes[name] is None})
    # 3. The holds, so that the next build does not repeat what was undone.
    undone = _to_hold(lake, to, names)
    if undone:
        holds.place(lake, undone)
    lake.fence()
    held = {each.qualified for each in undone}
    restored = [
        Restored(name, *(changes[name] or (0, 0)), dropped=name not in then, held=name in held) for name in names
    ]
    return Rollback(to, tuple(each for each in restored if each.inserted or each.deleted or each.dropped or each.held))


def _built(names: Sequence[str] | set[str] | dict[str, dict[str, str]]) -> set[str]:
    return {name for name in names if not name.startswith(_KEPT) and name not in STAGED_TABLES}


def _required(only: Sequence[str], then: set[str]) -> set[str]:
    if unknown := sorted(set(only) - then):
        raise Terminal(
            f"There was no built table {', '.join(unknown)} at that snapshot.",
            remedy="`headrace warehouse snapshots` lists which tables were written when; `raw` is never rolled back.",
        )
    # The quarantine of a table is built with it.
    return set(only) | {each.quarantine for each in all_tables() if each.qualified in only and each.quarantine in then}


def _restore(lake: Lake, name: str, to: int, then: set[str], now: set[str]) -> tuple[int, int] | None:
    """Rows inserted and deleted; None if the table was dropped or recreated."""
    if name not in then:
        lake.connection.execute(f"drop table {name}")
        return None
    if name not in now or lake.columns()[name] != columns_at(lake, name, to):
        return _remake(lake, name, to, existing=name in now)
    lake.connection.execute(f"create or replace temp table {RESTORED} as from {as_of(name, to)} except from {name}")
    lake.connection.execute(f"create or replace temp table {UNDONE} as from {name} except from {as_of(name, to)}")
    inserted, deleted = (lake.value(f"select count(*) from {rows}") for rows in (RESTORED, UNDONE))
    if deleted:
        same = " and ".join(
            f'target."{column}" is not distinct from source."{column}"' for column in lake.columns()[name]
        )
        lake.connection.execute(f"merge into {name} target using {UNDONE} source on {same} when matched then delete")
    Target(name, (), lake.columns()[name], partition_of(lake, name, lake.snapshot())).insert(lake, RESTORED)
    return inserted, deleted


def _remake(lake: Lake, name: str, to: int, *, existing: bool) -> None:
    """Recreate a table with its former columns, partitions and comments."""
    run = lake.connection.execute
    run(f"create or replace temp table {FORMER} as from {as_of(name, to)}")
    if existing:
        run(f"drop table {name}")
    run(f"create schema if not exists {name.split('.', maxsplit=1)[0]}")
    run(f"create table {name} as from {FORMER} limit 0")
    partition = partition_of(lake, name, to)
    if partition is not None:
        run(f"alter table {name} set partitioned by ({partition})")
    for column, comment in run(_COMMENTS.format(name=quoted(name), to=to)).fetchall():
        subject = f"table {name}" if column is None else f'column {name}."{column}"'
        run(f"comment on {subject} is {quoted(comment)}")
    Target(name, (), columns_at(lake, name, to), partition).insert(lake, FORMER)


_COMMENTS = f"""{TABLE}
select null as column_name, g.value from former join {METADATA}.ducklake_tag g on g.object_id = table_id
where key = 'comment' and {THEN.format(of="g")}
union all
select c.column_name, g.value from former join {METADATA}.ducklake_column_tag g using (table_id)
join {METADATA}.ducklake_column c using (table_id, column_id)
where key = 'comment' and {THEN.format(of="g")} and {THEN.format(of="c")}
"""


def _restore_watermarks(lake: Lake, to: int, names: Sequence[str], remade: set[str]) -> None:
    """Restore the watermarks of these tables as of `to`, except those from which their input can no longer be read.

    A table without a watermark is built in full the next time, which gives the same rows.
    """
    here = f"table_name in ({', '.join(map(quoted, names)) or 'null'})"
    lake.connection.execute(
        f"create or replace temp table {FORMER_MARKS} as from {as_of('meta.watermarks', to)} where {here}"
    )
    lake.connection.execute(f"delete from meta.watermarks where {here}")
    oldest = lake.value(f"select min(snapshot_id) from {METADATA}.ducklake_snapshot")
    begun = f"""
        select schema_name || '.' || table_name as input, max(tables.begin_snapshot) as begun
        from {METADATA}.ducklake_table tables join {METADATA}.ducklake_schema using (schema_id)
        where tables.end_snapshot is null group by all
    """
    appends = [each.qualified for each in all_tables() if each.event_key and not each.inputs[0].startswith("raw.")]
    lake.connection.execute(
        f"""
        insert into meta.watermarks by name
        select former.* from {FORMER_MARKS} former left join ({begun}) using (input)
        where snapshot_id >= {oldest} and snapshot_id >= begun
            and table_name not in ({", ".join(map(quoted, appends)) or "null"})
        """
    )
    watermarks.split_hashes(lake)
    # A recreated table has no history that a reader could resume from.
    if remade:
        lake.connection.execute(
            f"delete from meta.watermarks where input in ({', '.join(map(quoted, sorted(remade)))})"
        )


def _to_hold(lake: Lake, to: int, names: Sequence[str]) -> list[Table]:
    """The tables whose file has changed since they were built at `to`. If there are none, the cause is in the data, and
    all tables are held.
    """
    tables = [each for each in all_tables() if each.qualified in names]
    former = dict(
        lake.connection.execute(f"select table_name, max(definition) from {as_of('meta.watermarks', to)} group by all")
        .fetchall()
    )  # fmt: skip
    changed = [each for each in tables if former.get(each.qualified, "").split(" ")[0] != each.definition]
    return changed or tables
