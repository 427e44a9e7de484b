"""Registered files that are gone: what they held is taken out of the catalog by name, so that everything else builds.

A landed file is kept in mind in `landing.missing_files`, with its entries in the catalog: `headrace landing repair`
writes it again from Kafka and puts it back. A table of `core` or `marts` is built in full the next time.
"""

# ruff: noqa: S608  names of DuckLake's own tables, in the schema that this package names

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from psycopg import sql
from psycopg.rows import dict_row

from contracts.errors import Terminal, Transient

if TYPE_CHECKING:
    from warehouse.lake import Lake

META = "ducklake"
_CREATE = """
create table if not exists landing.missing_files (
    path text primary key,
    table_name text not null,
    rows bigint not null,
    catalog jsonb not null,
    found_at timestamptz not null default clock_timestamp()
)
"""
_FILES = f"""
with root as (select value as path from {META}.ducklake_metadata where key = 'data_path'),
tables as (
    select tables.table_id, min(schemas.schema_name || '.' || tables.table_name) as name,
        min(
            case
                when not tables.path_is_relative then tables.path
                when not schemas.path_is_relative then schemas.path || tables.path
                else root.path || schemas.path || tables.path
            end
        ) as path
    from {META}.ducklake_table tables join {META}.ducklake_schema schemas using (schema_id), root
    group by tables.table_id
),
files as (
    select data_file_id, table_id, path, path_is_relative, record_count from {META}.ducklake_data_file
    union all
    select data_file_id, table_id, path, path_is_relative, 0 from {META}.ducklake_delete_file
)
select data_file_id, table_id, tables.name,
    case when files.path_is_relative then tables.path || files.path else files.path end as path, record_count
from files join tables using (table_id)
"""
_ENTRIES = ("ducklake_data_file", "ducklake_file_column_stats", "ducklake_file_partition_value", "ducklake_delete_file")


class FilesMissing(Transient):
    """A file that is to be read is gone. Once it is out of the catalog, another attempt does without it."""


@dataclass(frozen=True)
class MissingFile:
    """A file that the catalog names and that is not there. `rows` counts those registered in it."""

    path: str
    table: str
    rows: int
    data_file_id: int
    table_id: int


def missing_files(lake: "Lake") -> list[MissingFile]:
    """The files of all tables that are gone: of rows, and of what was deleted of them."""
    if not _has_catalog(lake):
        return []
    found = lake.postgres().execute(_FILES).fetchall()
    return [
        MissingFile(path, name, rows, data_file_id, table_id)
        for data_file_id, table_id, name, path, rows in found
        if not Path(path).is_file()
    ]


def set_apart(lake: "Lake") -> list[MissingFile]:
    """Take the missing files out of the catalog, each with a line in the log; returns them.

    Raises:
        Terminal: what is missing says how far the warehouse has read.
    """
    missing = missing_files(lake)
    if lost := [file for file in missing if file.table.startswith("meta.")]:
        raise Terminal(
            f"The file {lost[0].path} is missing, which says how far the warehouse has read ({lost[0].table}).",
            remedy="Restore the home and PostgreSQL from backups of the same time.",
        )
    with lake.postgres().transaction():
        lake.postgres().execute(_CREATE)
        for file in missing:
            _take_out(lake, file)
        forgotten = sorted({file.table for file in missing if not file.table.startswith("raw.")})
        for file in missing:
            structlog.get_logger(part="warehouse").error(
                "a registered file is missing",
                path=file.path,
                table=file.table,
                rows=file.rows,
                remedy="Run `headrace landing repair`, then `headrace build`.",
            )
    lake.forget()
    if forgotten:
        _forget(lake, forgotten)
    return missing


def apart(lake: "Lake") -> list[tuple[str, str, int]]:
    """Path, table and rows of the landed files that are out of the catalog."""
    if lake.postgres().execute("select to_regclass('landing.missing_files')").fetchone() == (None,):
        return []
    return lake.postgres().execute("select path, table_name, rows from landing.missing_files order by path").fetchall()


def put_back(lake: "Lake", path: Path) -> bool:
    """Register a file again that was taken out and is there now; False where it was not taken out.

    The tables that read its table are built in full the next time: to them its rows are not new.
    """
    from warehouse import watermarks

    if lake.postgres().execute("select to_regclass('landing.missing_files')").fetchone() == (None,):
        return False
    with lake.postgres().transaction():
        row = (
            lake.postgres()
            .execute("delete from landing.missing_files where path = %s returning catalog, table_name", (str(path),))
            .fetchone()
        )
        if row is None:
            return False
        for name, entries in row[0].items():
            for entry in entries:
                lake.postgres().execute(
                    sql.SQL("insert into {0} select * from jsonb_populate_record(null::{0}, %s::jsonb)").format(
                        sql.Identifier(META, name)
                    ),
                    (json.dumps(entry),),
                )
    lake.forget()
    lake.write(lambda: watermarks.forget_readers(lake, row[1]))
    return True


def _take_out(lake: "Lake", file: MissingFile) -> None:
    """Remove a data file's entries; those of a landed file are kept for `put_back`."""
    entries: dict[str, list[dict[str, Any]]] = {}
    with lake.postgres().cursor(row_factory=dict_row) as cursor:
        for name in _ENTRIES:
            cursor.execute(
                f"with gone as (delete from {META}.{name} where data_file_id = %s returning *)"
                " select to_jsonb(gone) as entry from gone",
                (file.data_file_id,),
            )
            entries[name] = [row["entry"] for row in cursor.fetchall()]
    if file.table.startswith("raw.") and entries["ducklake_data_file"]:
        lake.postgres().execute(
            "insert into landing.missing_files (path, table_name, rows, catalog) values (%s, %s, %s, %s::jsonb)"
            " on conflict (path) do nothing",
            (file.path, file.table, file.rows, json.dumps(entries)),
        )


def _forget(lake: "Lake", tables: Sequence[str]) -> None:
    """Have these tables, and those whose quarantines they are, built in full."""
    from warehouse import watermarks
    from warehouse.lake import quoted
    from warehouse.staged import STAGED_TABLES

    names = {
        name.removeprefix("quarantine.").replace("_", ".", 1) if "quarantine." in name else name for name in tables
    }
    listed = ", ".join(map(quoted, names))
    topics = [staged.delivery.topic for name, staged in STAGED_TABLES.items() if name in names]
    taken = ", ".join(map(quoted, topics)) or "null"
    lake.write(
        lambda: (
            lake.connection.execute(f"delete from meta.watermarks where table_name in ({listed})"),
            lake.connection.execute(f"delete from meta.staging_offsets where topic in ({taken})"),
            watermarks.fence(lake),
        )
    )


def _has_catalog(lake: "Lake") -> bool:
    row = lake.postgres().execute("select to_regclass(%s)", (f"{META}.ducklake_data_file",)).fetchone()
    return row is not None and row[0] is not None
