"""Maintenance of the lake: merges small files, expires snapshots, deletes unused files, refreshes statistics.

All under the builder's lock. Nothing here changes a row of any table, and every step may be killed: the next run
completes it.
"""

# ruff: noqa: S608  names come from the lake's catalog, versions are numbers

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
import structlog
from psycopg import sql

from headrace.contracts import clock
from headrace.contracts.errors import Terminal
from headrace.contracts.postgres import postgres_needed
from headrace.warehouse.lake import CATALOG, METADATA, METADATA_SCHEMA, Lake, quoted, watermarks
from headrace.warehouse.maintenance import orphaned_files

ALL_SNAPSHOTS_FOR = timedelta(hours=24)
"""How long every snapshot is kept; after that the last one of each hour, for `warehouse_history_days`."""
GRACE = timedelta(hours=1)
"""How long an unused file is kept for queries that are still reading it."""
SMALL_FILE_BYTES = 32_000_000
"""Files below this are merged, so a row is rewritten a few times at most, however long its table grows."""
REWRITE_SHARE = 0.3
"""A file with at least this fraction of deleted rows is rewritten without them."""

log = structlog.get_logger(part="maintenance")


@dataclass(frozen=True)
class Storage:
    """Storage of the lake's tables: files in DuckLake's current list, files on disk, bytes on disk, and snapshots."""

    live_files: int
    files: int
    bytes: int
    snapshots: int


@dataclass(frozen=True)
class Maintenance:
    """The result of a maintenance run. `rebuilt` are the tables that lagged too far: their next build is a full one."""

    rebuilt: tuple[str, ...]
    merged_files: int
    expired_snapshots: int
    deleted_files: int
    deleted_landing_files: int
    before: Storage
    after: Storage
    seconds: float


def maintain(lake: Lake, now: datetime | None = None) -> Maintenance:
    """Run every step once, with `now` (the clock's time, when None) for the age of snapshots and files.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    started, now = time.monotonic(), now or clock.now()
    watermarks.ensure(lake)
    with lake.lock.held(), lake.translated_errors():
        before = storage(lake)
        # 1. A table that has not been built for too long would keep every snapshot: it is built in full next time.
        rebuilt = _reset_laggards(lake, timedelta(days=lake.settings.warehouse_history_days))
        # 2. Watermarks are inlined in the catalog, where their former rows stay until they are flushed to files.
        lake.connection.execute(f"call ducklake_flush_inlined_data('{CATALOG}', schema_name => 'meta')")
        merged = _merge(lake)
        # 3. Expire old snapshots, then delete the files that no snapshot refers to.
        expired = _expire(lake, now)
        deleted = _delete_files(lake, now)
        uncommitted = orphaned_files.delete_uncommitted(lake)
        _refresh_statistics(lake)
        after = storage(lake)
    done = Maintenance(rebuilt, merged, expired, deleted, uncommitted, before, after, time.monotonic() - started)
    log.info("maintained", merged=merged, expired=expired, deleted=deleted, files=after.files, bytes=after.bytes)
    return done


def storage(lake: Lake) -> Storage:
    """The current storage of the lake's own files and the landed ones."""
    roots = (lake.settings.lake_root, lake.settings.landing_root)
    sizes = [path.stat().st_size for root in roots for path in root.rglob("*.parquet")]
    live = lake.value(
        f"select (select count(*) from {METADATA}.ducklake_data_file where end_snapshot is null)"
        f" + (select count(*) from {METADATA}.ducklake_delete_file where end_snapshot is null)"
    )
    kept = lake.value(f"select count(*) from {METADATA}.ducklake_snapshot")
    return Storage(live, len(sizes), sum(sizes), kept)


def _reset_laggards(lake: Lake, cap: timedelta) -> tuple[str, ...]:
    rows = lake.connection.execute(
        f"""
        select distinct table_name from meta.watermarks
        left join {METADATA}.ducklake_snapshot using (snapshot_id)
        where snapshot_time is null
            or snapshot_time < (select max(snapshot_time) from {METADATA}.ducklake_snapshot)
                - interval '{int(cap.total_seconds())} seconds'
        order by all
        """
    ).fetchall()
    names = tuple(row[0] for row in rows)
    if names:
        listed = ", ".join(map(quoted, names))
        lake.write(
            lambda: (
                lake.connection.execute(f"delete from meta.watermarks where table_name in ({listed})"),
                lake.fence(),
            )
        )
        log.warning("these tables lag too far behind and will be built in full", tables=names)
    return names


def _merge(lake: Lake) -> int:
    """Merge small files, and rewrite those with many deleted rows; returns the number of files replaced."""
    rows = lake.connection.execute(
        f"call ducklake_merge_adjacent_files('{CATALOG}', max_file_size => {SMALL_FILE_BYTES})"
    ).fetchall()
    return sum(row[2] for row in rows) + sum(_rewrite(lake, name) for name in _worn(lake))


def _worn(lake: Lake) -> list[str]:
    """Tables with a file that has many deleted rows."""
    rows = lake.connection.execute(
        f"""
        select distinct schema_name || '.' || table_name
        from {METADATA}.ducklake_data_file data
        join {METADATA}.ducklake_delete_file deletes using (data_file_id)
        join {METADATA}.ducklake_table tables on tables.table_id = data.table_id
        join {METADATA}.ducklake_schema using (schema_id)
        where data.end_snapshot is null and deletes.end_snapshot is null and tables.end_snapshot is null
            and deletes.delete_count >= {REWRITE_SHARE} * data.record_count
        """
    ).fetchall()
    return [row[0] for row in rows]


def _rewrite(lake: Lake, name: str) -> int:
    """Rewrite the files of a table that have many deleted rows.

    In the change feed all their rows change, so the watermarks of all readers are moved past it. A table that some
    reader has not read completely is skipped.
    """
    schema, table = name.split(".")
    marks = lake.connection.execute(
        f"select min(snapshot_id) from meta.watermarks where input = {quoted(name)}"
    ).fetchall()
    oldest = marks[0][0]
    if oldest is not None and name in lake.changed_since(oldest):
        return 0
    rows = lake.connection.execute(
        f"call ducklake_rewrite_data_files('{CATALOG}', {quoted(table)}, schema => {quoted(schema)},"
        f" delete_threshold => {REWRITE_SHARE})"
    ).fetchall()
    if rows and oldest is not None:
        snapshot = lake.snapshot()
        lake.write(
            lambda: (
                lake.connection.execute(
                    f"update meta.watermarks set snapshot_id = {snapshot} where input = {quoted(name)}"
                ),
                lake.fence(),
            )
        )
    return sum(row[2] for row in rows)


def _expire(lake: Lake, now: datetime) -> int:
    """Expire snapshots by policy, except those that a table's next build starts from or reads past."""
    kept_for = timedelta(days=lake.settings.warehouse_history_days)
    rows = lake.connection.execute(
        f"""
        with floor as (
            select least(
                (select max(snapshot_id) from {METADATA}.ducklake_snapshot),
                (select min(snapshot_id) from meta.watermarks)
            ) as lowest
        ),
        last_of_hour as (
            select max(snapshot_id) as snapshot_id from {METADATA}.ducklake_snapshot
            group by date_trunc('hour', snapshot_time)
        )
        select snapshot_id from {METADATA}.ducklake_snapshot, floor
        where snapshot_id < lowest and (
            snapshot_time < timestamptz '{(now - kept_for).isoformat()}'
            or (snapshot_time < timestamptz '{(now - ALL_SNAPSHOTS_FOR).isoformat()}'
                and snapshot_id not in (from last_of_hour))
        )
        """
    ).fetchall()
    if rows:
        versions = ", ".join(str(row[0]) for row in rows)
        lake.connection.execute(f"call ducklake_expire_snapshots('{CATALOG}', versions => [{versions}])")
    return len(rows)


def _delete_files(lake: Lake, now: datetime) -> int:
    """Delete the files that no snapshot needs, and those in the lake's folder that the catalog does not list."""
    before = f"timestamptz '{(now - GRACE).isoformat()}'"
    count = 0
    for function in ("ducklake_cleanup_old_files", "ducklake_delete_orphaned_files"):
        count += len(lake.connection.execute(f"call {function}('{CATALOG}', older_than => {before})").fetchall())
    return count


def _refresh_statistics(lake: Lake) -> None:
    """Vacuum and analyze the catalog and the landing tables: every build inserts and deletes rows there."""
    try:
        with postgres_needed():
            schemas = "select schemaname, tablename from pg_tables where schemaname in (%s, 'landing')"
            for name in lake.postgres().execute(schemas, [METADATA_SCHEMA]).fetchall():
                lake.postgres().execute(sql.SQL("vacuum (analyze) {}").format(sql.Identifier(*name)))
    except psycopg.errors.InsufficientPrivilege as error:
        raise Terminal(
            f"The catalog's tables cannot be analyzed: {error}.",
            remedy="Make the stack's user the owner of its schemas.",
        ) from error
