"""The landing positions in PostgreSQL (`headrace/contracts/landing.sql`), with commits, stopped partitions and gaps.

All access of the lander to these tables is here; `commit` documents the order of a commit.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from headrace.contracts.landing import LandedFile, LandingCommit, PartitionRange
from headrace.contracts.postgres import postgres_needed
from headrace.contracts.reconciliation import CommittedRange
from headrace.contracts.rights import grant, rights_needed
from headrace.streaming.runtime.failpoints import failpoint

CONNECT_TIMEOUT_SECONDS = 3
STATEMENT_TIMEOUT = "20s"
FILE_AGE_LIMIT = "15 minutes"
"""A commit never names a file older than this. Maintenance deletes orphans only after one hour, so they cannot race."""


Log = tuple[UUID, int]
"""A log: its id and its partition."""


class Overtaken(Exception):  # noqa: N818  an outcome, not a failure
    """The stored position differs from the flush's start: another lander, or an earlier attempt, committed first."""


class StaleFile(Exception):  # noqa: N818
    """The file was written too long ago to be committed."""


class TopicChanged(Exception):  # noqa: N818
    """The topic was recreated since the records were read."""


@dataclass(frozen=True)
class Position:
    """The landing position of one partition."""

    topic_id: UUID
    partition: int
    topic: str
    start_offset: int
    next_offset: int
    stopped_reason: str | None
    log_id: UUID
    truncations: int
    leader_epoch: int | None
    last_record: bytes | None


@dataclass(frozen=True)
class TopicState:
    """The landing state of a topic. `lag` counts offsets, including those of transaction markers while catching up.

    `truncated_offsets` counts offsets that had landed and that the broker lost afterwards.
    """

    topic: str
    next_offset_sum: int
    lag: int | None
    last_commit_at: datetime | None
    rows_landed: int
    quarantined: int
    stopped_partitions: tuple[str, ...]
    truncated_offsets: int = 0


@contextmanager
def connection(conninfo: str) -> Iterator[psycopg.Connection]:
    """A short-lived autocommit connection. Raises `Transient` if PostgreSQL is unavailable."""
    with postgres_needed(), connect(conninfo) as opened:
        yield opened


def connect(conninfo: str) -> psycopg.Connection:
    """Connect with the time limits a streaming process needs."""
    return psycopg.connect(
        conninfo,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        options=f"-c statement_timeout={STATEMENT_TIMEOUT} -c timezone=UTC",
        application_name="headrace-landing",
    )


@contextmanager
def snapshot(db: psycopg.Connection) -> Iterator[None]:
    """All reads inside see one snapshot."""
    with db.transaction():
        db.execute("set transaction isolation level repeatable read, read only")
        yield


def _value(cursor: psycopg.Cursor) -> Any:
    """The value of a query that returns exactly one row."""
    (value,) = cursor.fetchall()[0]
    return value


def prepare(conninfo: str) -> None:
    """Create the tables if they do not exist yet, with the privileges of the roles that use them."""
    with rights_needed(), connection(conninfo) as db, db.transaction():
        db.execute("select pg_advisory_xact_lock(hashtext('landing accounts'))")
        db.execute(files("headrace.contracts").joinpath("landing.sql").read_bytes())
        grant(db, "landing")


def clock(db: psycopg.Connection) -> datetime:
    """PostgreSQL's clock, which determines the age of files."""
    return _value(db.execute("select clock_timestamp()"))


def known_topics(db: psycopg.Connection) -> dict[str, UUID]:
    """The id under which each topic is landed."""
    return dict(db.execute("select topic, topic_id from landing.topics").fetchall())


def adopt(db: psycopg.Connection, topic: str, topic_id: UUID) -> UUID:
    """Record the id of a topic that has none yet; returns the recorded id, which may differ."""
    db.execute("insert into landing.topics (topic, topic_id) values (%s, %s) on conflict do nothing", (topic, topic_id))
    return _value(db.execute("select topic_id from landing.topics where topic = %s", (topic,)))


def open_positions(db: psycopg.Connection, topic: str, topic_id: UUID, starts: Mapping[int, int]) -> None:
    """Create positions for partitions that have none yet, at the given offsets."""
    with db.cursor() as cursor:
        cursor.executemany(
            "insert into landing.positions (topic_id, partition, topic, start_offset, next_offset, log_id)"
            " values (%s, %s, %s, %s, %s, %s) on conflict do nothing",
            [(topic_id, partition, topic, start, start, topic_id) for partition, start in starts.items()],
        )


def stored_positions(db: psycopg.Connection, topic_ids: Iterable[UUID]) -> dict[tuple[str, int], Position]:
    """The positions of all partitions of these topics, by topic name and partition."""
    with db.cursor(row_factory=class_row(Position)) as cursor:
        cursor.execute(
            "select topic_id, partition, topic, start_offset, next_offset, stopped_reason, log_id, truncations,"
            " leader_epoch, last_record from landing.positions where topic_id = any(%s)",
            (list(topic_ids),),
        )
        return {(row.topic, row.partition): row for row in cursor}


def stopped(db: psycopg.Connection) -> set[tuple[str, int]]:
    """The partitions that are stopped now, by topic name and partition."""
    rows = db.execute(
        "select p.topic, p.partition from landing.positions p join landing.topics t using (topic_id)"
        " where p.stopped_reason is not null"
    )
    return set(rows.fetchall())


def commit(
    db: psycopg.Connection,
    landing: LandingCommit,
    *,
    file_created_at: datetime,
    event_times: tuple[datetime, datetime] | None,
) -> None:
    """Step 5 of the lander: move the positions and record the files, in one transaction.

    Raises:
        TopicChanged, StaleFile, Overtaken: nothing was committed; the caller goes back to the stored positions.
        psycopg.OperationalError: the outcome is unknown; the caller goes back to the stored positions.
    """
    with db.transaction():
        # 5a. The topic must still be the one read, and the file recent by PostgreSQL's clock. `for share` makes
        #     `accept-gap` wait for this transaction, or this one for it.
        row = db.execute(
            "select topic_id = %s, clock_timestamp() - %s > %s::interval from landing.topics"
            " where topic = %s for share",
            (landing.topic_id, file_created_at, FILE_AGE_LIMIT, landing.topic),
        ).fetchone()
        if row is None or not row[0]:
            raise TopicChanged(landing.topic)
        if row[1]:
            raise StaleFile(landing.topic)
        # 5b. Compare and swap each position, partitions in order, so that two landers cannot deadlock.
        for moved in sorted(landing.ranges, key=lambda item: item.partition):
            swapped = db.execute(
                "update landing.positions set next_offset = %s, leader_epoch = %s, last_record = %s"
                " where topic_id = %s and partition = %s and next_offset = %s and log_id = %s"
                " and stopped_reason is null",
                (
                    *(moved.next, moved.leader_epoch, moved.last_record),
                    *(landing.topic_id, moved.partition, moved.first, moved.log_id),
                ),
            )
            if swapped.rowcount != 1:
                raise Overtaken(f"{landing.topic}-{moved.partition}")
        # 5c. Record what was landed, and commit.
        with db.cursor() as cursor:
            cursor.executemany(
                "insert into landing.commits (topic, topic_id, partition, first_offset, next_offset, rows, quarantined,"
                " file, file_rows, file_bytes, file_sha256, quarantine_file, quarantine_file_rows,"
                " quarantine_file_bytes, quarantine_file_sha256, min_event_time, max_event_time,"
                " log_id, leader_epoch, last_record, fingerprint)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [_commit_row(landing, item, event_times) for item in landing.ranges],
            )
        failpoint("landing.before_commit")


def _commit_row(
    landing: LandingCommit, item: PartitionRange, event_times: tuple[datetime, datetime] | None
) -> tuple[object, ...]:
    def of(file: LandedFile | None) -> tuple[object, ...]:
        return (None,) * 4 if file is None else (file.path, file.rows, file.bytes, file.sha256)

    return (
        *(landing.topic, landing.topic_id, item.partition, item.first, item.next, item.rows, item.quarantined),
        *(of(landing.landed) if item.rows else of(None)),
        *(of(landing.quarantined) if item.quarantined else of(None)),
        *(event_times or (None, None)),
        *(item.log_id, item.leader_epoch, item.last_record, item.fingerprint),
    )


def observe(db: psycopg.Connection, highs: Mapping[tuple[UUID, int], int]) -> None:
    """Record the latest observed end of each partition, by topic id and partition."""
    with db.cursor() as cursor:
        cursor.executemany(
            "update landing.positions set high_offset = %s, observed_at = clock_timestamp()"
            " where topic_id = %s and partition = %s",
            [(high, topic_id, partition) for (topic_id, partition), high in highs.items()],
        )


def stop(db: psycopg.Connection, topic_id: UUID, partitions: Iterable[int], reason: str) -> None:
    """Mark partitions as stopped until an operator runs `headrace landing accept-gap`."""
    db.execute(
        "update landing.positions set stopped_reason = %s, stopped_at = clock_timestamp()"
        " where topic_id = %s and partition = any(%s) and stopped_reason is null",
        (reason, topic_id, list(partitions)),
    )


@dataclass(frozen=True)
class AcceptedGap:
    """A skipped range: offsets `from_offset` to `to_offset - 1` (None: to the end of the deleted topic)."""

    topic: str
    partition: int
    from_offset: int
    to_offset: int | None
    reason: str


def accept_gap(db: psycopg.Connection, topic: str, topic_id: UUID, log_starts: Mapping[int, int]) -> list[AcceptedGap]:
    """Skip records that can no longer be landed, and resume from `log_starts`, the first offsets that the topic
    retains."""
    accepted: list[AcceptedGap] = []
    with db.transaction():
        row = db.execute("select topic_id from landing.topics where topic = %s for update", (topic,)).fetchone()
        old_id = row[0] if row else topic_id
        for position in sorted(stored_positions(db, [old_id]).values(), key=lambda item: item.partition):
            start = log_starts.get(position.partition, 0)
            if old_id != topic_id:
                reason = position.stopped_reason or "topic recreated"
                gap = AcceptedGap(topic, position.partition, position.next_offset, None, reason)
            elif position.stopped_reason is not None:
                gap = AcceptedGap(topic, position.partition, position.next_offset, start, position.stopped_reason)
                db.execute(
                    "update landing.positions set next_offset = %s, stopped_reason = null, stopped_at = null,"
                    " leader_epoch = null, last_record = null"
                    " where topic_id = %s and partition = %s",
                    (start, topic_id, position.partition),
                )
            else:
                continue
            accepted.append(gap)
            db.execute(
                "insert into landing.gaps (topic, topic_id, partition, from_offset, to_offset, reason)"
                " values (%s, %s, %s, %s, %s, %s)",
                (topic, old_id, gap.partition, gap.from_offset, gap.to_offset, gap.reason),
            )
        if old_id != topic_id:
            db.execute(
                "update landing.topics set topic_id = %s, accepted_at = clock_timestamp() where topic = %s",
                (topic_id, topic),
            )
            open_positions(db, topic, topic_id, log_starts)
    return accepted


def chains(db: psycopg.Connection, topic_id: UUID) -> dict[Log, tuple[CommittedRange, ...]]:
    """The commit chain of each log of a topic, in order of offsets."""
    found: dict[Log, list[CommittedRange]] = {}
    rows = db.execute(
        "select log_id, partition, first_offset, next_offset, rows, quarantined, fingerprint from landing.commits"
        " where topic_id = %s order by log_id, partition, first_offset",
        (topic_id,),
    )
    for log, partition, *link in rows:
        found.setdefault((log, partition), []).append(CommittedRange(*link))
    return {log: tuple(links) for log, links in found.items()}


def chain(db: psycopg.Connection, log_id: UUID, partition: int, before: int) -> list[CommittedRange]:
    """The last links of a log's commit chain that begin before an offset, the latest first."""
    rows = db.execute(
        "select first_offset, next_offset, rows, quarantined, fingerprint from landing.commits"
        " where log_id = %s and partition = %s and first_offset < %s order by first_offset desc limit 1000",
        (log_id, partition, before),
    )
    return [CommittedRange(*link) for link in rows]


def gaps(db: psycopg.Connection, topic_id: UUID) -> dict[int, tuple[tuple[int, int], ...]]:
    """The accepted gaps of each partition of a topic that still exists."""
    found: dict[int, list[tuple[int, int]]] = {}
    rows = db.execute(
        "select partition, from_offset, to_offset from landing.gaps"
        " where topic_id = %s and to_offset is not null order by partition, from_offset",
        (topic_id,),
    )
    for partition, start, end in rows:
        found.setdefault(partition, []).append((start, end))
    return {partition: tuple(ranges) for partition, ranges in found.items()}


def committed_files(db: psycopg.Connection, topic_id: UUID, registered: Mapping[Log, int]) -> list[LandedFile]:
    """The files of commits at or past the registered position of their log (0 where none is given)."""
    rows = db.execute(
        "select distinct named.path, named.rows, named.bytes, named.sha256 from landing.commits c"
        " left join unnest(%s::uuid[], %s::int[], %s::bigint[]) as registered (log_id, partition, next_offset)"
        " using (log_id, partition)"
        " cross join lateral (values (c.file, c.file_rows, c.file_bytes, c.file_sha256),"
        " (c.quarantine_file, c.quarantine_file_rows, c.quarantine_file_bytes, c.quarantine_file_sha256))"
        " as named (path, rows, bytes, sha256)"
        " where c.topic_id = %s and c.first_offset >= coalesce(registered.next_offset, 0) and named.path is not null"
        " order by named.path",
        ([log for log, _ in registered], [p for _, p in registered], list(registered.values()), topic_id),
    )
    return [LandedFile(*row) for row in rows]


def topic_states(conninfo: str) -> list[TopicState]:
    """One entry per topic that was ever landed, for status, sensors and observations."""
    with connection(conninfo) as db:
        rows = db.execute(
            "select t.topic, coalesce(sum(p.next_offset), 0)::bigint,"
            " sum(greatest(p.high_offset - p.next_offset, 0))::bigint,"
            " c.last_commit_at, coalesce(c.rows, 0)::bigint, coalesce(c.quarantined, 0)::bigint,"
            " array_agg(format('%s: %s', p.partition, p.stopped_reason) order by p.partition)"
            " filter (where p.stopped_reason is not null),"
            " (select coalesce(sum(to_offset - from_offset), 0)::bigint from landing.truncations lost"
            " where lost.topic_id = t.topic_id)"
            " from landing.topics t left join landing.positions p using (topic_id)"
            " left join (select topic_id, max(committed_at) as last_commit_at, sum(rows) as rows,"
            " sum(quarantined) as quarantined from landing.commits group by topic_id) c"
            " on c.topic_id = t.topic_id"
            " group by t.topic, t.topic_id, c.last_commit_at, c.rows, c.quarantined order by t.topic"
        ).fetchall()
    return [TopicState(*row[:6], stopped_partitions=tuple(row[6] or ()), truncated_offsets=row[7]) for row in rows]


def last_commit_id(conninfo: str) -> int:
    """The largest commit id so far; 0 before the first commit."""
    with connection(conninfo) as db:
        return _value(db.execute("select coalesce(max(commit_id), 0) from landing.commits"))
