"""A cache of the rows that this process changed last in each table, for the tables that read it.

A builder writes a table and then updates its readers. Reading the changes from the lake, reader by reader, takes ten
times as long as reusing them. The cache is used only if it holds all changes since a reader's watermark; otherwise the
lake is queried.
"""

from headrace.warehouse.lake.connection import CATALOG, Lake

MOST_ROWS = 100_000
"""More changes than these are not cached: they would take memory, and querying the lake is then relatively cheap."""


def keep(lake: Lake, table: str, changed: str, count: int, *, only_added: bool = True) -> None:
    """Cache the rows of a query as those that the open transaction adds to `table` or, without `only_added`, removes.

    The transaction fences off other writers, so it becomes the snapshot after the one it reads.
    """
    base = lake.snapshot()
    lake.kept_changes.pop(table, None)
    if 0 < count <= MOST_ROWS:
        lake.connection.execute(f"create or replace temp table {_name(table)} as {changed}")
        lake.kept_changes[table] = (lake.last_changes().get(table, 0), base + 1, only_added)


def changes(lake: Lake, table: str, since: int, until: int) -> str | None:
    """The temporary table of all rows added or removed after one snapshot, up to another; None if not cached.

    A rollback clears the cache. Any other change to the table, such as merging its files, shows as a later change.
    """
    before, at, _ = lake.kept_changes.get(table, (0, 0, True))
    is_all = before <= since < at <= until and lake.last_changes().get(table) == at
    return _name(table) if is_all else None


def insertions(lake: Lake, table: str, since: int, until: int) -> str:
    """What to select from for the rows that were added to a table after one snapshot, up to another."""
    kept = changes(lake, table, since, until)
    if kept is not None and lake.kept_changes[table][2]:
        return kept
    schema, name = table.split(".")
    return f"ducklake_table_insertions('{CATALOG}', '{schema}', '{name}', {since + 1}, {until})"


def _name(table: str) -> str:
    return f'temp."changed {table}"'
