"""The table of ranges set apart, in PostgreSQL (`landing.set_apart`): offsets that no client can read.

A range set apart is a link without rows in the commit chain, so readers of the chain skip it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from headrace.streaming.landing.positions import Log, Overtaken, TopicChanged, connection
from headrace.streaming.runtime.careful.reader import Unreadable
from headrace.streaming.runtime.failpoints import failpoint

MAX_KEPT_BYTES = 1_100_000
"""Batches up to this size are stored with their row; event topics accept no larger ones."""

Range = tuple[int, int, int]
"""First offset, the offset after the last, and number of records."""


@dataclass(frozen=True)
class SetApart:
    """One range set apart. `records` is the count in the batch's header, `bytes` its stored size."""

    topic: str
    partition: int
    first_offset: int
    next_offset: int
    records: int
    reason: str
    bytes: int
    set_apart_at: datetime


def record(db: psycopg.Connection, topic_id: UUID, position: int, apart: Unreadable) -> None:
    """Record a range set apart and move the position past it, in one transaction.

    Raises:
        TopicChanged, Overtaken: nothing was recorded; the caller goes back to the stored positions.
        psycopg.OperationalError: the outcome is unknown; the caller goes back to the stored positions.
    """
    place = (topic_id, apart.partition)
    with db.transaction():
        row = db.execute(
            "select topic_id = %s from landing.topics where topic = %s for share", (topic_id, apart.topic)
        ).fetchone()
        if row is None or not row[0]:
            raise TopicChanged(apart.topic)
        swapped = db.execute(
            "update landing.positions set next_offset = %s, leader_epoch = null, last_record = null"
            " where topic_id = %s and partition = %s and next_offset = %s and stopped_reason is null"
            " returning log_id",
            (apart.next, *place, position),
        ).fetchone()
        if swapped is None:
            raise Overtaken(f"{apart.topic}-{apart.partition}")
        db.execute(
            "insert into landing.commits (topic, topic_id, partition, log_id, first_offset, next_offset, rows,"
            " quarantined) values (%s, %s, %s, %s, %s, %s, 0, 0)",
            (apart.topic, *place, *swapped, position, apart.next),
        )
        insert(db, topic_id, apart, log_id=swapped[0])
        failpoint("landing.before_set_apart")


def insert(
    db: psycopg.Connection, topic_id: UUID, apart: Unreadable, reader: str = "lander", *, log_id: UUID | None = None
) -> None:
    """Record a range that a reader skipped, in the topic's first log or another. Idempotent."""
    db.execute(
        "insert into landing.set_apart (topic, topic_id, log_id, partition, first_offset, next_offset, reader, records,"
        " reason, bytes, batch) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
        (
            *(
                apart.topic,
                topic_id,
                log_id or topic_id,
                apart.partition,
                apart.first,
                apart.next,
                reader,
                apart.records,
                apart.reason,
            ),
            len(apart.content),
            apart.content if len(apart.content) <= MAX_KEPT_BYTES else None,
        ),
    )


def ranges(db: psycopg.Connection, topic_id: UUID, reader: str = "lander") -> dict[Log, tuple[Range, ...]]:
    """The ranges of a topic that a reader set apart, by log and partition."""
    found: dict[Log, list[Range]] = {}
    if db.execute("select to_regclass('landing.set_apart')").fetchone() == (None,):
        return {}
    rows = db.execute(
        "select log_id, partition, first_offset, next_offset, records from landing.set_apart"
        " where topic_id = %s and reader = %s order by partition, first_offset",
        (topic_id, reader),
    )
    for log_id, partition, first, following, records in rows:
        found.setdefault((log_id, partition), []).append((first, following, records))
    return {log: tuple(each) for log, each in found.items()}


def latest(conninfo: str, limit: int = 100) -> list[SetApart]:
    """The ranges set apart most recently by any reader, latest first."""
    with connection(conninfo) as db:
        rows: Iterable[tuple[object, ...]] = db.execute(
            "select topic, partition, first_offset, next_offset, max(records), max(reason), max(bytes),"
            " min(set_apart_at) from landing.set_apart group by topic, log_id, partition, first_offset, next_offset"
            " order by 8 desc limit %s",
            (limit,),
        ).fetchall()
    return [SetApart(*row) for row in rows]  # pyright: ignore[reportArgumentType]
