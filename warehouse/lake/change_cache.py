"""The rows that this process changed last in a table, at hand for the tables that read it.

A builder writes a table and then brings its readers up to date. What changed it has just computed; to ask the lake for
it, reader by reader, takes ten times as long. What is kept is used only where it is all that changed since a reader's
watermark; else the lake is asked.
"""

from warehouse.lake.connection import CATALOG, Lake

MOST_ROWS = 100_000
"""Of more changes than these none are kept: they would take memory, and asking the lake is cheap beside the rest."""


def keep(lake: Lake, table: str, changed: str, count: int, *, only_added: bool = True) -> None:
    """Keep the rows that a query gives as those that the transaction that is open adds to `table` or, else, removes.

    It is the transaction that fences off other writers, so it becomes the snapshot after the one it reads.
    """
    base = lake.snapshot()
    lake.kept_changes.pop(table, None)
    if 0 < count <= MOST_ROWS:
        lake.connection.execute(f"create or replace temp table {_name(table)} as {changed}")
        lake.kept_changes[table] = (lake.last_changes().get(table, 0), base + 1, only_added)


def changes(lake: Lake, table: str, since: int, until: int) -> str | None:
    """The temporary table of all rows that were added or removed after one snapshot, up to another; None if not kept.

    A rollback drops all that is kept. Whatever else was done to the table, such as merging its files, shows as a later
    change.
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
