"""Landed files that could not be registered, because they are missing or not as committed: `meta.damaged_files`.

A file is listed in the transaction that moves the watermark past it. It is removed in the transaction that registers
it, after `headrace landing repair` has rewritten it (`headrace.warehouse.ingest.raw`).
"""

# ruff: noqa: S608  paths and names are quoted

import structlog

from headrace.contracts.landing import LandedFile
from headrace.warehouse.lake import Lake, quoted

_TABLE = "meta.damaged_files"


def add(lake: Lake, file: LandedFile, table: str, reason: str) -> None:
    """List a file in the open transaction, and log it."""
    values = ", ".join((quoted(file.path), quoted(table), str(file.rows), quoted(reason), "now()"))
    lake.connection.execute(f"insert into {_TABLE} values ({values})")
    structlog.get_logger(part="warehouse").error(
        "a landed file is damaged and is not registered",
        path=str(lake.settings.landing_root / file.path),
        table=table,
        rows=file.rows,
        reason=reason,
        remedy="Run `headrace landing repair`, then `headrace build`.",
    )


def remove(lake: Lake, file: LandedFile) -> str | None:
    """Remove a file from the list in the open transaction; returns its table, None if it is not listed."""
    row = lake.connection.execute(f"select table_name from {_TABLE} where path = {quoted(file.path)}").fetchone()
    if row is None:
        return None
    lake.connection.execute(f"delete from {_TABLE} where path = {quoted(file.path)}")
    return row[0]


def listed(lake: Lake) -> list[tuple[str, str, int]]:
    """Path, table and rows of the files that are listed."""
    if _TABLE not in lake.columns():
        return []
    rows = lake.connection.execute(f"select path, table_name, rows from {_TABLE} order by path").fetchall()
    return [(str(lake.settings.landing_root / path), table, count) for path, table, count in rows]
