"""Landed files without a commit, left by a lander that was killed or fenced: deleted an hour after they are found.

The lander never deletes a file; only this module and, for registered files, DuckLake do. A file's age counts from when
it was first found here without a commit, by PostgreSQL's clock, so that no file-system clock can make a new file look
old. A commit rejects files older than a quarter of an hour, so none is committed after that.
"""

from pathlib import Path

import psycopg

from headrace.contracts.postgres import postgres_needed
from headrace.warehouse.lake import METADATA_SCHEMA, Lake

GRACE = "1 hour"
_SEEN = """
create table if not exists landing.uncommitted_files (
    path text primary key, first_seen timestamptz not null default clock_timestamp()
)
"""
_NAMED = f"""
select file from landing.commits where file = any(%(paths)s)
union select quarantine_file from landing.commits where quarantine_file = any(%(paths)s)
union select substr(path, %(prefix)s) from {METADATA_SCHEMA}.ducklake_data_file where path = any(%(absolute)s)
union select substr(path, %(prefix)s) from {METADATA_SCHEMA}.ducklake_files_scheduled_for_deletion
    where path = any(%(absolute)s)
"""  # noqa: S608  a name of this package


def delete_uncommitted(lake: Lake, grace: str = GRACE) -> int:
    """Delete the landed files that have been without a commit for `grace`; returns their number.

    Empty folders of past hours are removed as well.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    root = lake.settings.landing_root
    with postgres_needed():
        postgres = lake.postgres()
        if postgres.execute("select to_regclass('landing.commits')").fetchone() == (None,):
            return 0
        postgres.execute(_SEEN)
        # 1. List the folder first: a file that is committed after this line is found committed below.
        found = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
        uncommitted = _without_commit(postgres, root, found)
        # 2. Remove files that were committed or no longer exist; add the new ones.
        postgres.execute("delete from landing.uncommitted_files where path <> all(%s)", [uncommitted])
        postgres.execute(
            "insert into landing.uncommitted_files (path) select unnest(%s::text[]) on conflict do nothing",
            [uncommitted],
        )
        due = postgres.execute(
            "select path from landing.uncommitted_files where first_seen < clock_timestamp() - %s::interval", [grace]
        ).fetchall()
        for (path,) in due:
            (root / path).unlink(missing_ok=True)
        postgres.execute("delete from landing.uncommitted_files where path = any(%s)", [[path for (path,) in due]])
        _remove_empty_folders(root, postgres)
    return len(due)


def _without_commit(postgres: psycopg.Connection, root: Path, found: list[str]) -> list[str]:
    parameters = {
        "paths": found,
        "absolute": [str(root / path) for path in found],
        "prefix": len(str(root)) + 2,  # SQL positions start at 1, plus the slash
    }
    named = {path for (path,) in postgres.execute(_NAMED, parameters).fetchall()}
    return [path for path in found if path not in named]


def _remove_empty_folders(root: Path, postgres: psycopg.Connection) -> None:
    """Remove empty folders of days before yesterday: the lander only writes to the folder of the current hour."""
    ((until,),) = postgres.execute("select (clock_timestamp() at time zone 'UTC')::date - 2").fetchall()
    for folder in (*root.glob("*/dt=*/hr=*"), *root.glob("*/dt=*")):
        day = next(part for part in folder.parts if part.startswith("dt="))
        if day <= f"dt={until}" and not any(folder.iterdir()):
            folder.rmdir()
