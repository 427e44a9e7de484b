"""Missing and damaged registered files: their entries are removed from the catalog, so that all others can be read.

A landed file is listed in `landing.missing_files` with its catalog entries: `headrace landing repair` rewrites it from
Kafka and restores them. A table of `core` or `marts` is built in full the next time.
"""

# ruff: noqa: S608  names of DuckLake's own tables, in the schema that this package names

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import structlog
from psycopg import sql
from psycopg.rows import dict_row

from headrace.contracts.delivery import DELIVERIES
from headrace.contracts.errors import Terminal
from headrace.warehouse.lake.text import quoted

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
    select data_file_id, table_id, path, path_is_relative, record_count, file_size_bytes from {META}.ducklake_data_file
    union all
    select data_file_id, table_id, path, path_is_relative, 0, file_size_bytes from {META}.ducklake_delete_file
)
select case when files.path_is_relative then tables.path || files.path else files.path end as path,
    tables.name, record_count, data_file_id, table_id, file_size_bytes
from files join tables using (table_id)
"""
_CHECKSUMS = """
select distinct file.path, file.sha256 from landing.commits
cross join lateral (values (file, file_sha256), (quarantine_file, quarantine_file_sha256)) as file (path, sha256)
where file.path is not null
"""
_ENTRIES = ("ducklake_data_file", "ducklake_file_column_stats", "ducklake_file_partition_value", "ducklake_delete_file")


@dataclass(frozen=True)
class MissingFile:
    """A file in the catalog that does not exist or is damaged. `rows` and `size`, in bytes, are as registered."""

    path: str
    table: str
    rows: int
    data_file_id: int
    table_id: int
    size: int


def find(postgres: psycopg.Connection) -> list[MissingFile]:
    """The missing data files and delete files of all tables."""
    return [file for file in _files(postgres) if not Path(file.path).is_file()]


def find_damaged(postgres: psycopg.Connection, landing_root: Path, error: str) -> list[MissingFile]:
    """The files that may be the cause of an error of reading: those of another size, and those that the error names.

    If there are none, the content of all landed files is compared with what was committed, which reads them all.
    """
    there = [file for file in _files(postgres) if Path(file.path).is_file()]
    found = [file for file in there if Path(file.path).stat().st_size != file.size or file.path in error]
    return found or list(_of_other_content(postgres, landing_root, there))


def take_out(postgres: psycopg.Connection, missing: Sequence[MissingFile]) -> None:
    """Remove missing or damaged files from the catalog and log each of them.

    Raises:
        Terminal: one of them held watermarks.
    """
    if lost := [file for file in missing if file.table.startswith("meta.")]:
        raise Terminal(
            f"The file {lost[0].path} is missing or damaged, which holds the warehouse's watermarks ({lost[0].table}).",
            remedy="Restore the home and PostgreSQL from backups of the same time.",
        )
    with postgres.transaction():
        postgres.execute(_CREATE)
        for file in missing:
            _take_out(postgres, file)
        for file in missing:
            structlog.get_logger(part="warehouse").error(
                "a registered file is damaged" if Path(file.path).is_file() else "a registered file is missing",
                path=file.path,
                table=file.table,
                rows=file.rows,
                remedy="Run `headrace landing repair`, then `headrace build`.",
            )


def taken_out(postgres: psycopg.Connection) -> list[tuple[str, str, int]]:
    """Path, table and rows of the landed files that were removed from the catalog."""
    if postgres.execute("select to_regclass('landing.missing_files')").fetchone() == (None,):
        return []
    return postgres.execute("select path, table_name, rows from landing.missing_files order by path").fetchall()


def put_back(postgres: psycopg.Connection, path: Path) -> str | None:
    """Restore the entries of a removed file that exists again; returns its table, None if it was not removed."""
    if postgres.execute("select to_regclass('landing.missing_files')").fetchone() == (None,):
        return None
    with postgres.transaction():
        row = postgres.execute(
            "delete from landing.missing_files where path = %s returning catalog, table_name", (str(path),)
        ).fetchone()
        if row is None:
            return None
        for name, entries in row[0].items():
            for entry in entries:
                postgres.execute(
                    sql.SQL("insert into {0} select * from jsonb_populate_record(null::{0}, %s::jsonb)").format(
                        sql.Identifier(META, name)
                    ),
                    (json.dumps(entry),),
                )
    return row[1]


def _take_out(postgres: psycopg.Connection, file: MissingFile) -> None:
    """Remove a data file's entries; those of a landed file are kept for `put_back`."""
    entries: dict[str, list[dict[str, Any]]] = {}
    with postgres.cursor(row_factory=dict_row) as cursor:
        for name in _ENTRIES:
            cursor.execute(
                f"with gone as (delete from {META}.{name} where data_file_id = %s returning *)"
                " select to_jsonb(gone) as entry from gone",
                (file.data_file_id,),
            )
            entries[name] = [row["entry"] for row in cursor.fetchall()]
    if file.table.startswith("raw.") and entries["ducklake_data_file"]:
        postgres.execute(
            "insert into landing.missing_files (path, table_name, rows, catalog) values (%s, %s, %s, %s::jsonb)"
            " on conflict (path) do nothing",
            (file.path, file.table, file.rows, json.dumps(entries)),
        )


def forgetting(missing: Sequence[MissingFile]) -> list[str]:
    """Statements that make the tables that lost rows, or whose quarantines did, be built in full."""
    tables = {_table_of(file.table) for file in missing if not file.table.startswith("raw.")}
    if not tables:
        return []
    topics = [each.topic for each in DELIVERIES.values() if each.loaded_into in tables]
    listed, loaded = ", ".join(map(quoted, sorted(tables))), ", ".join(map(quoted, topics)) or "null"
    return [
        f"delete from meta.watermarks where table_name in ({listed})",
        f"delete from meta.staging_offsets where topic in ({loaded})",
    ]


def _table_of(name: str) -> str:
    return name.removeprefix("quarantine.").replace("_", ".", 1) if name.startswith("quarantine.") else name


def _files(postgres: psycopg.Connection) -> list[MissingFile]:
    if not _has_catalog(postgres):
        return []
    return [MissingFile(*row) for row in postgres.execute(_FILES).fetchall()]


def _of_other_content(
    postgres: psycopg.Connection, landing_root: Path, files: Sequence[MissingFile]
) -> Iterator[MissingFile]:
    if postgres.execute("select to_regclass('landing.commits')").fetchone() == (None,):
        return
    committed = {str(landing_root / path): sha256 for path, sha256 in postgres.execute(_CHECKSUMS).fetchall()}
    for file in files:
        if file.path in committed and _sha256(file.path) != committed[file.path]:
            yield file


def _sha256(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _has_catalog(postgres: psycopg.Connection) -> bool:
    row = postgres.execute("select to_regclass(%s)", (f"{META}.ducklake_data_file",)).fetchone()
    return row is not None and row[0] is not None
