"""Points in time of the warehouse: parses a time or snapshot number and finds the snapshot of the lake."""

from datetime import UTC, datetime

import psycopg

from headrace.contracts.errors import Terminal

_REMEDY = "`headrace warehouse snapshots` lists what there is."


def snapshot_at(postgres: psycopg.Connection, moment: str) -> int:
    """The snapshot for `moment`: a snapshot number, or a time, for which it is the last snapshot up to then.

    Times are in UTC unless they carry an offset.

    Raises:
        Terminal: `moment` is neither, or no such snapshot is kept.
    """
    if moment.isdecimal():
        condition, value = "snapshot_id = %s", int(moment)
    else:
        condition, value = "snapshot_time <= %s", parse_time(moment)
    row = postgres.execute(f"select max(snapshot_id) from ducklake.ducklake_snapshot where {condition}", [value])  # noqa: S608  one of the two above
    ((found,),) = row.fetchall()
    if found is None:
        raise Terminal(f"The warehouse keeps no snapshot of {moment}.", remedy=_REMEDY)
    return found


def parse_time(text: str) -> datetime:
    """A date or a time in ISO 8601, in UTC where it has no offset.

    Raises:
        Terminal: the text is neither.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise Terminal(
            f"{text!r} is neither a snapshot's number nor a time such as 2026-11-01 12:00.", remedy=_REMEDY
        ) from error
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
