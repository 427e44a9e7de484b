"""`warehouse.duckdb`: the marts and dimensions as a plain DuckDB file for any DuckDB client, replaced atomically."""

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from headrace.contracts.settings import Settings
from headrace.warehouse.lake import CATALOG, Lake, quoted, watermarks
from headrace.warehouse.publication import failures, freshness
from headrace.warehouse.publication.failures import Age
from headrace.warehouse.tables import Table, all_tables


@dataclass(frozen=True)
class PublishResult:
    """The published file, its tables, its size, and the snapshot of the lake that they are from.

    `behind` has, by table, the reason why its rows are older than the rest.
    """

    path: Path
    tables: tuple[str, ...]
    bytes: int
    snapshot: int
    behind: Mapping[str, str] = field(default_factory=dict[str, str])


def publish(settings: Settings, lake: Lake) -> PublishResult:
    """Write the published tables, at one snapshot, to a temporary file and replace the published file with it.

    Clients that have the old file open can still read it. Tables not built yet are left out. A table whose build fails
    keeps the rows of its last build; `main.published_tables` has their age and the reason.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    target = settings.warehouse_file
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    watermarks.ensure(lake)
    # Under the builder's lock, so that of two concurrent publications the one with the later snapshot remains.
    with lake.lock.held():
        try:
            names, snapshot, behind = _write(lake, aside)
            _make_durable(aside)
            aside.replace(target)
            _make_durable(target.parent)
        finally:
            aside.unlink(missing_ok=True)
            aside.with_name(aside.name + ".wal").unlink(missing_ok=True)
        # The published records are available from now on.
        freshness.measure(lake)
    return PublishResult(target, names, target.stat().st_size, snapshot, behind)


def _write(lake: Lake, aside: Path) -> tuple[tuple[str, ...], int, dict[str, str]]:
    connection = lake.connection
    connection.execute(f"attach {quoted(str(aside))} as published")
    try:
        # One transaction sees one snapshot of the lake, so the tables agree with each other.
        with lake.transaction():
            snapshot = lake.snapshot()
            present = lake.columns()
            tables = [table for table in all_tables() if table.published and table.qualified in present]
            ages = failures.ages(lake, all_tables())
            for table in tables:
                _copy(lake, table, present[table.qualified], ages[table.qualified])
            _write_ages(lake, {table.qualified: ages[table.qualified] for table in tables})
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
    behind = {table.qualified: age.reason for table in tables if (age := ages[table.qualified]).reason is not None}
    return tuple(table.qualified for table in tables), snapshot, behind


def _write_ages(lake: Lake, ages: Mapping[str, Age]) -> None:
    rows = ", ".join(
        f"({quoted(name)}, {_time(age.built_at)}, {age.is_current}, {_time(age.since)},"
        f" {'null' if age.reason is None else quoted(age.reason)})"
        for name, age in ages.items()
    )
    lake.connection.execute(
        "create table published.main.published_tables (table_name varchar, built_at timestamptz, is_current boolean,"
        " incomplete_since timestamptz, reason varchar)"
    )
    if rows:
        lake.connection.execute(f"insert into published.main.published_tables values {rows}")  # noqa: S608  all quoted
    about = "When the rows of each table were built, and why some of them lack what has landed since."
    lake.connection.execute(f"comment on table published.main.published_tables is {quoted(about)}")


def _time(moment: datetime | None) -> str:
    return "null::timestamptz" if moment is None else f"timestamptz {quoted(moment.isoformat())}"


def _copy(lake: Lake, table: Table, columns: dict[str, str], age: Age) -> None:
    copied = f"published.{table.qualified}"
    lake.connection.execute(f"create schema if not exists published.{table.schema}")
    lake.connection.execute(f"create table {copied} as from {CATALOG}.{table.qualified}")
    about = f"{table.grain} {table.description}"
    if age.since is not None:
        about += f" These rows lack what has landed since {age.since:%Y-%m-%d %H:%M} UTC: {age.reason}."
    lake.connection.execute(f"comment on table {copied} is {quoted(about)}")
    for name in columns:
        about = quoted(table.columns.get(name, ""))
        lake.connection.execute(f'comment on column {copied}."{name}" is {about}')


def _make_durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
