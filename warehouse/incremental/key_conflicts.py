"""Events with one key, in tables of events: the first to arrive stands, the others go to quarantine.

Events that fail a row check do not count. The rule does not depend on the order in which events land, so incremental
and full builds agree. A build searches around the times of its events; the audit searches the whole table.
"""

# ruff: noqa: S608  names come from the tables' own files

from headrace.warehouse.incremental.compute import RESULT, reject
from headrace.warehouse.lake import Lake, quoted
from headrace.warehouse.lake.target import Target, names_of, same_identity
from headrace.warehouse.tables import ARRIVAL, REASONS, Table

LATER_EVENT = "an earlier event has this key"
"""The reason in quarantine."""
LATER, DISPLACED = "later", "displaced"
"""Temporary tables: the identities of the events whose key an earlier event has; and the rows of those that are in the
table, with the reason."""


def deciding_columns(table: Table) -> str:
    """The columns that `reject_later` and `find_displaced` need of an event."""
    return names_of(dict.fromkeys((*table.key, *table.event_key, ARRIVAL)))


def reject_later(lake: Lake, table: Table, known: str = "") -> bool:
    """Reject the computed events whose key an earlier one has: another computed one, or one of the table `known`.

    Returns whether any event is later than another, computed or known.
    """
    names = deciding_columns(table)
    others = f" union all select {names} from {known}" if known else ""
    if not _find_later(lake, table, f"(select {names} from {RESULT}{others})"):
        return False
    reject(lake, LATER_EVENT, LATER, same_identity(RESULT, LATER, table.event_key))
    return True


def find_later_in_table(lake: Lake, table: Table) -> bool:
    """Find the later events of the whole table; returns whether there are any."""
    return _find_later(lake, table, table.qualified)


def take_out(lake: Lake, table: Table, target: Target, bounds: str = "") -> int:
    """Move the later events found from the table to `DISPLACED`; returns how many. `bounds` restricts the search."""
    lake.connection.execute(
        f"create or replace temp table {DISPLACED} as select present.*, [{quoted(LATER_EVENT)}] as {REASONS}"
        f" from (from {target.qualified} {bounds}) present semi join {LATER}"
        f" on {same_identity('present', LATER, table.event_key)}"
    )
    count = lake.value(f"select count(*) from {DISPLACED}")
    if count:
        here = same_identity("target", "source", table.event_key)
        lake.connection.execute(
            f"merge into {target.qualified} target using {DISPLACED} source on {here} when matched then delete"
        )
    return count


def _find_later(lake: Lake, table: Table, rows: str) -> bool:
    """Put the identities of the events with the key of an earlier one into `LATER`; returns whether there are any."""
    key, order = names_of(table.key), names_of(dict.fromkeys((ARRIVAL, *table.event_key)))
    lake.connection.execute(
        f"create or replace temp table {LATER} as select {names_of(table.event_key)} from {rows} where ({key}) in"
        f" (select ({key}) from {rows} group by {key} having count(*) > 1)"
        f" qualify row_number() over (partition by {key} order by {order}) > 1"
    )
    return lake.value(f"select exists (from {LATER})")
