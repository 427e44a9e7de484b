"""Checks over all rows, not only the changed ones: too slow for every build, so they are scheduled separately.

A build of an event table looks for an event only around its time, so events with one key and distant times are found
here: the first to arrive stays, the others go to quarantine. A duplicate id with the same time but another payload is
ignored by all tables, and reported here.
"""

# ruff: noqa: S608  the only names put into SQL are those of the tables and topics declared in this package

from dataclasses import dataclass

from headrace.contracts.landing import RECORD_FIELDS
from headrace.contracts.topics import TOPICS
from headrace.warehouse.incremental import key_conflicts
from headrace.warehouse.incremental.checks import Check, CheckResult, unique_key
from headrace.warehouse.incremental.key_conflicts import DISPLACED
from headrace.warehouse.ingest.raw import raw_table
from headrace.warehouse.lake import Lake, quoted
from headrace.warehouse.lake.target import Target, names_of
from headrace.warehouse.tables import REASONS, Table

NO_CONFLICTS = Check(
    "no_conflicting_duplicate_ids", "No event id has two events that differ in time or payload.", is_warning=True
)
ALL_KEYS = Check("all_keys_are_unique", "No two rows of the whole table have the same key, and no key is missing.")
CONFLICTING = "conflicting"
"""The temporary table of the records that contradict the first of their event."""
CONFLICTS = "quarantine.conflicts"
"""Every record whose event differs from the first record with the same event id."""
_CREATE = f"""
create schema if not exists quarantine;
create table {CONFLICTS} (
    topic varchar, event_id varchar, differs varchar, event_time timestamptz, first_event_time timestamptz,
    _topic_id varchar, _partition integer, _offset bigint, first_offset bigint
);
comment on table {CONFLICTS} is 'Records that differ from the first record with the same event id.';
"""


@dataclass(frozen=True)
class _Found:
    records: int
    conflicts: int


def audit_topic(lake: Lake, topic: str) -> CheckResult:
    """Find the event ids of a topic with two different events, and list their records in `quarantine.conflicts`.

    Raises:
        Transient: PostgreSQL is unavailable, or other writers were in the way at every attempt.
    """
    found = lake.write(lambda: _find_conflicts(lake, topic))
    about = f"{found.conflicts} of {found.records} records differ from the first record with the same event id"
    counts: dict[str, int | str] = {"records": found.records, "listed_in": CONFLICTS}
    return CheckResult(NO_CONFLICTS, not found.conflicts, about, found.conflicts, counts)


def audit_table(lake: Lake, table: Table) -> CheckResult:
    """Check the keys of a whole table. Of events with one key, the later ones go to quarantine.

    Raises:
        Transient: PostgreSQL is unavailable, or other writers were in the way at every attempt.
    """
    moved = lake.write(lambda: _quarantine_repeated(lake, table)) if table.event_key else 0
    with lake.transaction():
        outcome = unique_key(lake, table, table.qualified)
    if moved:
        outcome = outcome._replace(
            description=f"{outcome.description}, now that {moved} went to quarantine",
            metadata=outcome.metadata | {"moved_to_quarantine": moved},
        )
    return CheckResult(ALL_KEYS, *outcome)


def _quarantine_repeated(lake: Lake, table: Table) -> int:
    if table.qualified not in lake.columns():
        return 0
    types = lake.columns()[table.qualified]
    target = Target(table.qualified, table.event_key, types, table.partition)
    if table.quarantine is None or not key_conflicts.find_later_in_table(lake, table):
        return 0
    moved = key_conflicts.take_out(lake, table, target)
    rejected = Target(table.quarantine, table.event_key, types | {REASONS: "VARCHAR[]"}, table.partition)
    rejected.insert(lake, DISPLACED)
    lake.fence()
    return moved


def _find_conflicts(lake: Lake, topic: str) -> _Found:
    if CONFLICTS not in lake.columns():
        lake.connection.execute(_CREATE)
    raw = raw_table(topic).qualified
    contract = TOPICS[topic].contract
    if contract is None:
        return _Found(0, 0)
    payload = [name for name in lake.columns()[raw] if name not in {field.name for field in RECORD_FIELDS}]
    lake.connection.execute(
        f"""
        create or replace temp table {CONFLICTING} as
        select event_id, event_time, _topic_id, _partition, _offset, payload,
            first_value(event_time) over of_event as first_event_time,
            first_value(payload) over of_event as first_payload,
            first_value(_offset) over of_event as first_offset
        from (select *, hash(row({names_of(payload)})) as payload from {raw} where not _is_tombstone)
        window of_event as (partition by event_id order by _landed_at, _topic_id, _partition, _offset)
        qualify payload <> first_payload
        """
    )
    conflicts = lake.value(f"select count(*) from {CONFLICTING}")
    known = lake.value(f"select count(*) from {CONFLICTS} where topic = {quoted(topic)}")
    if conflicts != known:
        lake.connection.execute(f"delete from {CONFLICTS} where topic = {quoted(topic)}")
        lake.connection.execute(
            f"insert into {CONFLICTS} select {quoted(topic)}, event_id,"
            " if(event_time is distinct from first_event_time, 'time', 'payload'), event_time, first_event_time,"
            f" _topic_id, _partition, _offset, first_offset from {CONFLICTING} order by event_id, _offset"
        )
    lake.fence()
    return _Found(lake.value(f"select count(*) from {raw}"), conflicts)
