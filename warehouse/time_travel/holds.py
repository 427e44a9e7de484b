"""Holds: tables that are not built because their definition was rolled back.

Without a hold the next build, seconds later, would repeat what was undone. A hold applies to one version of a table's
file: it ends when the file changes, or by `release`.
"""

# ruff: noqa: S608  names and hashes of the tables' own files, quoted

from collections.abc import Iterable, Sequence

from headrace.warehouse.lake import Lake, quoted
from headrace.warehouse.tables import Table

TABLE = "meta.holds"


def is_held(lake: Lake, table: Table) -> bool:
    """Whether the table's current definition is held."""
    return held(lake).get(table.qualified) == table.definition


def held(lake: Lake) -> dict[str, str]:
    """The held definition, by table."""
    if TABLE not in lake.columns():
        return {}
    return lake.remembered("holds", lambda: _read(lake), of=TABLE)


def _read(lake: Lake) -> dict[str, str]:
    return dict(lake.connection.execute(f"select table_name, definition from {TABLE}").fetchall())


def place(lake: Lake, tables: Iterable[Table]) -> None:
    """Hold these tables, of which there is at least one, in the open transaction."""
    found = list(tables)
    if TABLE not in lake.columns():
        lake.connection.execute(f"create table {TABLE} (table_name varchar, definition varchar, held_at timestamptz)")
        lake.connection.execute(f"comment on table {TABLE} is 'Tables that are not built, because they were undone.'")
    _remove(lake, [each.qualified for each in found])
    rows = ", ".join(f"({quoted(each.qualified)}, {quoted(each.definition)}, now())" for each in found)
    lake.connection.execute(f"insert into {TABLE} values {rows}")


def release(lake: Lake, only: Sequence[str] | None = None) -> list[str]:
    """End the holds (on these tables); returns the tables that were held.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    with lake.translated_errors():
        names = sorted(name for name in held(lake) if only is None or name in only)
        if names:
            lake.write(lambda: (_remove(lake, names), lake.fence()))
    return names


def _remove(lake: Lake, names: Sequence[str]) -> None:
    lake.connection.execute(f"delete from {TABLE} where table_name in ({', '.join(map(quoted, names))})")
