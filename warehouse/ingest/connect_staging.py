"""Tables loaded from PostgreSQL's staging schema, where Kafka Connect delivers: exactly once, by offsets.

Each table stores the next offset per topic id and partition, and moves it in the transaction that writes the rows.
`docs/decisions/0009-staging-by-offset.md` explains why it is safe to continue from the greatest offset seen.
"""

# ruff: noqa: S608  names are those of the deliveries declared in `contracts`, offsets are numbers

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import psycopg
import pyarrow as pa

from headrace.contracts.delivery import (
    EARLIEST,
    LATEST,
    OFFSET,
    PARTITION,
    POSITION_COLUMNS,
    STAGING,
    STORED_AT,
    TOPIC_ID,
    Delivery,
)
from headrace.contracts.fields import fields_of
from headrace.contracts.postgres import postgres_needed
from headrace.contracts.reconciliation import Place, StagedAccount
from headrace.contracts.topics import TOPICS
from headrace.warehouse.lake import Lake, quoted, watermarks
from headrace.warehouse.lake.target import Target
from headrace.warehouse.tables import Table

_ATTACHED = "staged"
DELIVERED, NEW_EVENTS = "delivered", "new_events"
"""Temporary tables: the rows past the watermark, and those of them whose event is not in the table yet."""
_POSITION_TYPES = {TOPIC_ID: "VARCHAR", PARTITION: "INTEGER", OFFSET: "BIGINT"}


@dataclass(frozen=True)
class StagedTable:
    """A table of the lake and the delivery that it is loaded from."""

    table: Table
    delivery: Delivery


def _sentiment() -> StagedTable:
    about = {field.name: field.description for field in fields_of(STAGING.contract)}
    about |= {name: meaning for name, (_, meaning) in POSITION_COLUMNS.items()}
    return StagedTable(
        table=Table(
            schema="core",
            name="sentiment",
            grain="One row per scored event: a version of a post or feedback, or a deletion.",
            description="The sentiment model's scores, as Connect delivered them; the last offset of a subject counts.",
            domain=TOPICS[STAGING.topic].domain,
            key=(STAGING.key,),
            inputs=(),
            sql="",
            columns=about,
            definition="",
            partition="year(event_time), month(event_time)",
        ),
        delivery=STAGING,
    )


STAGED_TABLES: dict[str, StagedTable] = {
    each.table.qualified: each for each in ([_sentiment()] if STAGING.topic in TOPICS else [])
}
"""By the table's name with schema; those whose topic belongs to an active package."""


@dataclass(frozen=True)
class Loaded:
    """Numbers of rows inserted, and of rows replaced by a later record of the same event."""

    inserted: int = 0
    updated: int = 0


def last_stored_at(conninfo: str) -> str | None:
    """When Connect last stored a row for the warehouse, as text to compare; None if it never did.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    latest: list[str] = []
    with (
        postgres_needed(),
        psycopg.connect(conninfo, autocommit=True, connect_timeout=10, application_name="headrace warehouse") as db,
    ):
        for staged in STAGED_TABLES.values():
            if _delivered(db, staged.delivery):
                newest = f"select max({STORED_AT})::text from {staged.delivery.qualified}".encode()
                latest += [row[0] for row in db.execute(newest) if row[0] is not None]
    return max(latest, default=None)


def ensure(lake: Lake) -> None:
    """Create missing tables, empty, and add missing columns."""
    watermarks.ensure(lake)
    if any(_lacking(lake, staged) for staged in STAGED_TABLES.values()):
        lake.write(lambda: _create(lake))


def load(lake: Lake, staged: StagedTable) -> Loaded:
    """Load the rows past the watermark into the table. Does nothing if Connect has never delivered.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    ensure(lake)
    if not _waiting(lake, staged):
        return Loaded()
    with _attached(lake):
        return lake.write(lambda: _load(lake, staged))


def staged_accounts(
    lake: Lake, unreadable: Collection[str] = (), rejected: Mapping[str, Mapping[Place, datetime]] | None = None
) -> list[StagedAccount]:
    """Compares each table with the landed copy of its topic, in one snapshot.

    `rejected` has, by topic, the records that Connect rejected and when. Tables that were never built are left out, and
    those that would need one of the `unreadable` tables.
    """
    present = [
        staged
        for staged in STAGED_TABLES.values()
        if staged.table.qualified in lake.columns()
        and not {staged.table.qualified, f"raw.{staged.delivery.topic}"} & set(unreadable)
    ]
    with lake.transaction():
        return [_account(lake, staged, (rejected or {}).get(staged.delivery.topic, {})) for staged in present]


def _account(lake: Lake, staged: StagedTable, rejected: Mapping[Place, datetime]) -> StagedAccount:
    table, key, topic = staged.table.qualified, staged.delivery.key, staged.delivery.topic
    taken = _offsets_sql(watermarks.staging_offsets(lake, topic))
    landed = _offsets_sql(watermarks.landing_offsets(lake, topic))
    place = f"{TOPIC_ID}, {PARTITION}, {OFFSET}"
    lake.connection.register("rejections", _rejections(rejected))
    lake.connection.register("ranges", _ranges_set_apart(lake, staged.delivery))
    counted = lake.connection.execute(
        f"""
        with taken as ({taken}), landed as ({landed}),
        -- Two events with one id may be in two partitions, and Connect may write either of them last. So the latest
        -- record of each partition is accepted; a record of a topic deleted since is not.
        rejected as (
            select landed.{TOPIC_ID}, landed.{PARTITION}, landed.{OFFSET} from raw.{topic} landed semi join rejections
            on landed.{PARTITION} = rejections.partition and landed.{OFFSET} = rejections."offset"
                -- An older rejection is of a record at this offset before the topic was created again.
                and landed._kafka_time <= rejections.rejected_at
            union
            select landed.{TOPIC_ID}, landed.{PARTITION}, landed.{OFFSET} from raw.{topic} landed semi join ranges
            on landed.{TOPIC_ID} = ranges.topic_id and landed.{PARTITION} = ranges.partition
                and landed.{OFFSET} >= ranges.first_offset and landed.{OFFSET} < ranges.next_offset
        ),
        copies as (
            select {key}, {place} from raw.{topic} anti join rejected using ({place}) where not _is_tombstone
            qualify {TOPIC_ID} = first_value({TOPIC_ID}) over (partition by {key} order by _landed_at desc, {TOPIC_ID})
                and row_number() over (partition by {key}, {TOPIC_ID}, {PARTITION} order by {OFFSET} desc) = 1
        ),
        compared as (
            select
                {key},
                copy.{OFFSET} is not null as is_copy,
                stored.{OFFSET} is not null as is_stored,
                copy.{OFFSET} >= coalesce(taken.next_offset, 0) as not_taken,
                stored.{OFFSET} >= coalesce(landed.next_offset, 0) as not_landed
            from copies copy
            full join {table} stored using ({key}, {place})
            left join taken on (taken.topic_id, taken.partition) = (copy.{TOPIC_ID}, copy.{PARTITION})
            left join landed on (landed.topic_id, landed.partition) = (stored.{TOPIC_ID}, stored.{PARTITION})
        ),
        events as (
            select
                bool_or(is_copy) and not bool_or(is_copy and is_stored) as is_missing,
                coalesce(bool_or(not_taken), false) as not_taken,
                count(*) filter (where not is_copy and not not_landed) as others,
                coalesce(bool_or(not_landed) filter (where not is_copy), false) as not_landed
            from compared group by {key}
        )
        select
            count(*) filter (where is_missing and not not_taken and not not_landed),
            coalesce(sum(others) filter (where not is_missing), 0)::bigint,
            count(*) filter (where not_landed or (is_missing and not_taken)),
            (select count(*) from rejected)
        from events
        """
    ).fetchall()
    missing, unexpected, pending, set_aside = counted[0]
    rows = lake.value(f"select count(*) from {table}")
    return StagedAccount(table, rows, missing, unexpected, pending, set_aside)


def _rejections(rejected: Mapping[Place, datetime]) -> pa.Table:
    kinds = {"partition": pa.int32(), "offset": pa.int64(), "rejected_at": pa.timestamp("us", tz="UTC")}
    rows = [(partition, offset, at) for (partition, offset), at in rejected.items()]
    return _columns(kinds, rows)


def _ranges_set_apart(lake: Lake, delivery: Delivery) -> pa.Table:
    """Ranges that Connect skipped because it cannot read them; the lander, with more memory, may have landed them."""
    kinds = {"topic_id": pa.string(), "partition": pa.int32(), "first_offset": pa.int64(), "next_offset": pa.int64()}
    postgres = lake.postgres()
    if postgres.execute("select to_regclass('landing.set_apart')").fetchone() == (None,):
        return _columns(kinds, [])
    rows = postgres.execute(
        "select log_id::text, partition, first_offset, next_offset from landing.set_apart where reader = %s",
        [delivery.connector],
    )
    return _columns(kinds, rows.fetchall())


def _columns(kinds: dict[str, pa.DataType], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([] for _ in kinds)
    return pa.table(
        {name: pa.array(list(column), kind) for (name, kind), column in zip(kinds.items(), columns, strict=True)}
    )


def _offsets_sql(offsets: dict[tuple[str, int], int]) -> str:
    rows = ", ".join(f"({quoted(topic_id)}, {partition}, {next_})" for (topic_id, partition), next_ in offsets.items())
    values = f"values {rows}" if rows else "select null::varchar, null::integer, null::bigint where false"
    return f"select * from ({values}) as offsets (topic_id, partition, next_offset)"


def _load(lake: Lake, staged: StagedTable) -> Loaded:
    # 1. One statement reads one snapshot of PostgreSQL: every record below the greatest offset is in it or replaced.
    selected = f"{_selected(lake, staged)}, {EARLIEST}, {LATEST}"
    query = _past_watermark(lake, staged.delivery, selected)
    lake.connection.execute(
        f"create or replace temp table {DELIVERED} as from postgres_query('{_ATTACHED}', {quoted(query)})"
    )
    found = lake.connection.execute(
        f"select {TOPIC_ID}, {PARTITION}, max({OFFSET}) + 1 from {DELIVERED} group by all"
    ).fetchall()
    if not found:
        return Loaded()
    # 2. Merge by event, within the times of these events: an earlier record of an event may have had another time.
    table = staged.table.qualified
    low, high = lake.connection.execute(
        f"select min(least(event_time, {EARLIEST}))::text, max(greatest(event_time, {LATEST}))::text from {DELIVERED}"
    ).fetchall()[0]
    same = f"target.{staged.delivery.key} = source.{staged.delivery.key}"
    same += f" and target.event_time between {quoted(low)}::timestamptz and {quoted(high)}::timestamptz"
    updated = lake.value(f"select count(*) from {DELIVERED} source semi join {table} target on {same}")
    columns = lake.columns()[table]
    target = Target(table, ("event_time", staged.delivery.key), columns, staged.table.partition)
    if updated:
        assignments = ", ".join(f'"{name}" = source."{name}"' for name in columns if name != staged.delivery.key)
        scattered = target.is_scattered(lake, DELIVERED, updated)
        then = "delete" if scattered else f"update set {assignments}"
        lake.connection.execute(
            f"merge into {table} target using {DELIVERED} source on {same} when matched then {then}"
        )
    lake.connection.execute(
        f"create or replace temp table {NEW_EVENTS} as from {DELIVERED} source anti join {table} target on {same}"
    )
    target.insert(lake, NEW_EVENTS)
    # 3. Move the watermark, in the same transaction.
    positions = {(topic_id, partition): next_offset for topic_id, partition, next_offset in found}
    watermarks.move_staging_offsets(lake, staged.delivery.topic, positions)
    return Loaded(inserted=lake.value(f"select count(*) from {DELIVERED}") - updated, updated=updated)


def _selected(lake: Lake, staged: StagedTable) -> str:
    names = lake.columns()[staged.table.qualified]
    return ", ".join(f"{name}::text" if name == TOPIC_ID else name for name in names)


def _past_watermark(lake: Lake, delivery: Delivery, selected: str) -> str:
    """A query to PostgreSQL for the rows at or past the watermark."""
    offsets = watermarks.staging_offsets(lake, delivery.topic)
    if not offsets:
        return f"select {selected} from {delivery.qualified}"
    read = ", ".join(
        f"({quoted(topic_id)}::uuid, {partition}, {next_})" for (topic_id, partition), next_ in offsets.items()
    )
    return (
        f"select {selected} from {delivery.qualified} left join (values {read})"
        f" as watermark ({TOPIC_ID}, {PARTITION}, next_offset) using ({TOPIC_ID}, {PARTITION})"
        f" where {OFFSET} >= coalesce(next_offset, 0)"
    )


def _waiting(lake: Lake, staged: StagedTable) -> bool:
    """Whether there is anything to load. A quick check without the lock."""
    postgres = lake.postgres()
    with postgres_needed():
        if not _delivered(postgres, staged.delivery):
            return False
        with lake.transaction():
            query = _past_watermark(lake, staged.delivery, "1")
        row = postgres.execute(f"select exists ({query})".encode()).fetchone()
    return row == (True,)


def _delivered(postgres: psycopg.Connection, delivery: Delivery) -> bool:
    """Whether the table that Connect delivers into exists."""
    row = postgres.execute("select to_regclass(%s)", [delivery.qualified]).fetchone()
    return row is not None and row[0] is not None


@contextmanager
def _attached(lake: Lake) -> Iterator[None]:
    """Attaches PostgreSQL for reading in the transaction that writes to the lake."""
    source = quoted(lake.settings.conninfo())
    with lake.translated_errors():
        lake.connection.execute(f"attach if not exists {source} as {_ATTACHED} (type postgres, read_only)")
    try:
        yield
    finally:
        try:
            lake.connection.execute(f"detach {_ATTACHED}")
        except duckdb.Error:
            lake.connection.execute("rollback")
            raise


def types_of(staged: StagedTable) -> dict[str, str]:
    """DuckDB types of the table's columns, by name."""
    kinds = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
    kinds |= {"time": "TIMESTAMP WITH TIME ZONE"}
    return {field.name: kinds[field.kind] for field in fields_of(staged.delivery.contract)} | _POSITION_TYPES


def _lacking(lake: Lake, staged: StagedTable) -> list[str]:
    present = lake.columns().get(staged.table.qualified, {})
    return [name for name in types_of(staged) if name not in present]


def _create(lake: Lake) -> None:
    for staged in STAGED_TABLES.values():
        table, types, lacking = staged.table, types_of(staged), _lacking(lake, staged)
        if table.qualified not in lake.columns():
            lake.connection.execute(f"create schema if not exists {table.schema}")
            declared = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
            lake.connection.execute(f"create table {table.qualified} ({declared})")
            lake.connection.execute(f"alter table {table.qualified} set partitioned by ({table.partition})")
            about = quoted(f"{table.grain} {table.description}")
            lake.connection.execute(f"comment on table {table.qualified} is {about}")
        else:
            for name in lacking:
                lake.connection.execute(f'alter table {table.qualified} add column "{name}" {types[name]}')
        for name in lacking:
            lake.connection.execute(f'comment on column {table.qualified}."{name}" is {quoted(table.columns[name])}')
    lake.fence()
