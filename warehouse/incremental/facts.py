"""The facts about a table that its build plan depends on, read from the lake."""

from collections.abc import Collection

from headrace.contracts.errors import Terminal
from headrace.warehouse.incremental.plan import READ_AHEAD, Facts, is_as_built, is_described
from headrace.warehouse.lake import Lake, watermarks
from headrace.warehouse.tables import Table


def facts_of(lake: Lake, table: Table) -> Facts:
    """The facts about a table, read in the open transaction.

    Raises:
        Terminal: an input does not exist.
    """
    present, marks = lake.columns(), watermarks.read(lake, table.qualified)
    _require_inputs(table, present)
    oldest = _oldest(marks)
    return Facts(
        snapshot=lake.snapshot(),
        existing=present.get(table.qualified),
        selected=lake.types_of(table.sql),
        marks=marks,
        changed=set() if oldest is None else lake.changed_since(oldest),
        history_is_kept=oldest is not None and lake.remembers_all_since(oldest),
    )


def has_work(lake: Lake, table: Table) -> bool:
    """Whether a build might write anything. A quick check without the lock."""
    marks = watermarks.read(lake, table.qualified)
    oldest = _oldest(marks)
    if table.qualified not in lake.columns() or oldest is None:
        return True
    if not (is_as_built(table, marks) and is_described(table, marks) and lake.remembers_all_since(oldest)):
        return True
    return lake.snapshot() - oldest >= READ_AHEAD or bool(lake.changed_since(oldest) & set(table.inputs))


def _oldest(marks: dict[str, watermarks.Watermark]) -> int | None:
    return min((mark.snapshot_id for mark in marks.values()), default=None)


def _require_inputs(table: Table, present: Collection[str]) -> None:
    if missing := [name for name in table.inputs if name not in present]:
        raise Terminal(
            f"{table.qualified} reads {', '.join(missing)}, which does not exist yet.",
            remedy="Build the tables in the order of `headrace build`.",
        )
