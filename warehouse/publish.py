"""`warehouse.duckdb`: the marts and dimensions as a plain DuckDB file, replaced as a whole, for any DuckDB client."""

import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from contracts.settings import Settings
from warehouse import freshness, watermarks
from warehouse.lake import CATALOG, Lake, quoted
from warehouse.tables import Table, all_tables


@dataclass(frozen=True)
class PublishResult:
    """What was published: the file, its tables, its size, and the snapshot of the lake that all of them are from."""

    path: Path
    tables: tuple[str, ...]
    bytes: int
    snapshot: int


def publish(settings: Settings, lake: Lake) -> PublishResult:
    """Write the published tables as they are at one snapshot to a file aside, and put it in the place of the old one.

    Whoever has the old file open goes on reading it undisturbed. Tables not built yet are left out.

    Raises:
        Transient: PostgreSQL is away.
    """
    target = settings.warehouse_file
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    watermarks.ensure(lake)
    # Under the builder's lock, so that of two publications the one with the later snapshot is the one that stays.
    with lake.lock.held():
        try:
            names, snapshot = _write(lake, aside)
            _make_durable(aside)
            aside.replace(target)
            _make_durable(target.parent)
        finally:
            aside.unlink(missing_ok=True)
            aside.with_name(aside.name + ".wal").unlink(missing_ok=True)
        # What was published just now is in sight from this moment on.
        freshness.measure(lake)
    return PublishResult(target, names, target.stat().st_size, snapshot)


def _write(lake: Lake, aside: Path) -> tuple[tuple[str, ...], int]:
    connection = lake.connection
    connection.execute(f"attach {quoted(str(aside))} as published")
    try:
        # One transaction sees one snapshot of the lake, so the tables agree with each other.
        with lake.transaction():
            snapshot = lake.snapshot()
            present = lake.columns()
            tables = [table for table in all_tables() if table.published and table.qualified in present]
            for table in tables:
                _copy(lake, table, present[table.qualified])
            connection.execute(
                "create table published.main.published as"
                f" select {snapshot}::bigint as snapshot_id, now() as published_at"
            )
            connection.execute(
                "comment on table published.main.published is 'The snapshot of the lake that this file was made from.'"
            )
        connection.execute("checkpoint published")
    finally:
        connection.execute("detach published")
    return tuple(table.qualified for table in tables), snapshot


def _copy(lake: Lake, table: Table, columns: dict[str, str]) -> None:
    copied = f"published.{table.qualified}"
    lake.connection.execute(f"create schema if not exists published.{table.schema}")
    lake.connection.execute(f"create table {copied} as from {CATALOG}.{table.qualified}")
    lake.connection.execute(f"comment on table {copied} is {quoted(f'{table.grain} {table.description}')}")
    for name in columns:
        about = quoted(table.columns.get(name, ""))
        lake.connection.execute(f'comment on column {copied}."{name}" is {about}')


def _make_durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
