"""Relocation of a home that was moved to another folder: opening the lake updates the catalog's paths."""

from pathlib import Path

import psycopg
import structlog
from psycopg import sql

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings

_WITH_PATHS = (
    "ducklake_schema",
    "ducklake_table",
    "ducklake_data_file",
    "ducklake_delete_file",
    "ducklake_files_scheduled_for_deletion",
)

log = structlog.get_logger(part="warehouse")


def follow(settings: Settings, postgres: psycopg.Connection, schema: str) -> None:
    """Update the paths in the catalog of this schema to the home's current folder, in one transaction.

    Raises:
        Terminal: the catalog belongs to another home, which still exists.
    """
    row = postgres.execute(
        sql.SQL("select value from {} where key = 'data_path'").format(sql.Identifier(schema, "ducklake_metadata"))
    ).fetchone()
    new = f"{settings.lake_root}/"
    if row is None or row[0] == new:
        return
    old = str(row[0])
    if settings.postgres_conninfo is not None and Path(old).exists():
        raise Terminal(
            f"The database {settings.database} holds the warehouse of another home, {Path(old).parent}.",
            remedy="Set HEADRACE_HOME to that, or give this one a database of its own with HEADRACE_DATABASE.",
        )
    old_root, new_root = f"{Path(old).parent}/", f"{settings.root}/"
    with postgres.transaction():
        postgres.execute(
            sql.SQL("update {} set value = %s where key = 'data_path' and value = %s").format(
                sql.Identifier(schema, "ducklake_metadata")
            ),
            (new, old),
        )
        for table in _WITH_PATHS:
            postgres.execute(
                sql.SQL(
                    "update {} set path = %s || substr(path, %s) where not path_is_relative and starts_with(path, %s)"
                ).format(sql.Identifier(schema, table)),
                (new_root, len(old_root) + 1, old_root),
            )
    log.warning(
        "the home was moved: the catalog's paths were updated", old=str(Path(old).parent), new=str(settings.root)
    )
