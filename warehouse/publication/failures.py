"""Tables whose last build failed, since when, and why: stored in the lake until a build succeeds.

Their rows are those of the last successful build, while other tables are current. Readers need to know this age, so
`headrace.warehouse.publication.publish` writes it into the published file.
"""

# ruff: noqa: S608  names are those of the tables' own files, reasons are quoted

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import duckdb

from headrace.warehouse.incremental.failing_groups import GROUPS
from headrace.warehouse.lake import Lake, quoted
from headrace.warehouse.tables import Table
from headrace.warehouse.time_travel import holds

TABLE = "meta.failures"
NOTED = "noted"
"""The temporary table of the time since when a table fails."""
MAX_REASON_LENGTH = 500
_CREATE = f"""
create table if not exists {TABLE} (table_name varchar, since timestamptz, reason varchar);
comment on table {TABLE} is 'Tables whose last build failed, since when, and why.';
"""


@dataclass(frozen=True)
class Age:
    """The age of a table's rows. `since` and `reason` are set if it lacks records that landed after `since`."""

    built_at: datetime | None
    since: datetime | None = None
    reason: str | None = None

    @property
    def is_current(self) -> bool:
        return self.reason is None


def published_reason(error: BaseException) -> str:
    """The reason as published. DuckDB's messages are left out: they may quote paths, and rows not published."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, duckdb.Error):
            return f"It could not be computed ({type(cause).__name__}); `headrace build` says why."
        cause = cause.__cause__
    return str(error)


def note(lake: Lake, table: str, reason: str) -> None:
    """Record that a table's build failed; the time of the first of several consecutive failures is kept.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    if _failing(lake).get(table, (None, None))[1] != reason[:MAX_REASON_LENGTH]:
        lake.write(lambda: _note(lake, table, reason[:MAX_REASON_LENGTH]))


def clear(lake: Lake, tables: Collection[str]) -> None:
    """Record that these tables were built.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    if names := sorted(_failing(lake).keys() & set(tables)):
        listed = ", ".join(map(quoted, names))
        lake.write(
            lambda: (
                lake.connection.execute(f"delete from {TABLE} where table_name in ({listed})"),
                lake.fence(),
            )
        )


def ages(lake: Lake, tables: Iterable[Table]) -> dict[str, Age]:
    """The age of each table's rows, by name. `tables` are in the order of `all_tables`, inputs first."""
    failing, held = _failing(lake), holds.held(lake)
    rows = lake.connection.execute("select table_name, max(updated_at) from meta.watermarks group by all").fetchall()
    built: dict[str, datetime] = dict(rows)
    apart = _apart(lake)
    found = {name: Age(built.get(name), since, reason) for name, (since, reason) in failing.items()}
    for table in tables:
        name, built_at = table.qualified, built.get(table.qualified)
        behind = [each for each in table.inputs if each in found and not found[each].is_current]
        if name in failing:
            continue
        if held.get(name) == table.definition:
            found[name] = Age(built_at, built_at, "held since a rollback")
        elif name in apart:
            count, since = apart[name]
            found[name] = Age(built_at, since, f"{count} groups of its rows cannot be computed: see {GROUPS}")
        elif behind:
            times = [since for each in behind if (since := found[each].since) is not None]
            found[name] = Age(built_at, min(times, default=None), f"reads {', '.join(behind)}")
        else:
            found[name] = Age(built_at)
    return found


def _apart(lake: Lake) -> dict[str, tuple[int, datetime]]:
    """The number of groups of each table that cannot be computed, and since when."""
    if GROUPS not in lake.columns():
        return {}
    rows = lake.connection.execute(f"select table_name, count(*), min(since) from {GROUPS} group by all").fetchall()
    return {name: (count, since) for name, count, since in rows}


def _failing(lake: Lake) -> dict[str, tuple[datetime, str]]:
    if TABLE not in lake.columns():
        return {}
    return lake.remembered("failures", lambda: _read(lake), of=TABLE)


def _read(lake: Lake) -> dict[str, tuple[datetime, str]]:
    rows = lake.connection.execute(f"select table_name, since, reason from {TABLE}").fetchall()
    return {name: (since, reason) for name, since, reason in rows}


def _note(lake: Lake, table: str, reason: str) -> None:
    if TABLE not in lake.columns():
        lake.connection.execute(_CREATE)
    since = f"coalesce((select min(since) from {TABLE} where table_name = {quoted(table)}), now())"
    lake.connection.execute(f"create or replace temp table {NOTED} as select {since} as since")
    lake.connection.execute(f"delete from {TABLE} where table_name = {quoted(table)}")
    lake.connection.execute(f"insert into {TABLE} select {quoted(table)}, since, {quoted(reason)} from {NOTED}")
    lake.fence()
