"""Rewrites a landed file from the records that Kafka still holds.

    1. read the ranges of the file's flush again, and decode them     (`_tables`)
    2. require the records that were committed, and as many rows
    3. write the file, durably, under its own name
    4. commit its new size and hash

If the process dies in between, the file's hash differs from the commit's, so the file counts as damaged and is
rewritten again.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from uuid import UUID

import polars as pl
import psycopg

from headrace.contracts.errors import Terminal
from headrace.contracts.landing import FILE_TIME_FORMAT, LandedFile
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.landing import files, positions
from headrace.streaming.landing.batch import Buffer, Tables
from headrace.streaming.landing.isolation import tables_of
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.careful.headers import OddHeaders
from headrace.streaming.runtime.failpoints import failpoint
from headrace.streaming.runtime.reading import committed_records
from headrace.streaming.runtime.topics import offset_bounds, topic_ids

_BACKUP = "Restore it from a backup."


@dataclass(frozen=True)
class _Flush:
    """The commit of a file: by partition, the first offset and the offset after the last."""

    topic: str
    topic_id: UUID
    ranges: dict[int, tuple[int, int]]
    rows: int
    is_quarantine: bool
    log_ids: dict[int, UUID]
    fingerprints: dict[int, bytes]


def rewrite(settings: Settings, path: str) -> LandedFile:
    """Rewrite the landed file at this path below the landing root, with its rows in the order of their offsets.

    Raises:
        Transient: Kafka or PostgreSQL is unavailable.
        Terminal: no commit names the file, or Kafka no longer holds its records.
    """
    with positions.connection(settings.conninfo()) as db:
        flush = _flush(db, path)
        _require_held(settings, flush, path)
        tables = _tables(settings, flush, path)
        rows = tables.quarantined if flush.is_quarantine else tables.landed
        if rows is None or rows.height != flush.rows:
            raise Terminal(
                f"Kafka holds {0 if rows is None else rows.height} of the {flush.rows} records of {path}.",
                remedy=_BACKUP,
            )
        landed_at = pl.lit(_created_at(path), pl.Datetime("us", "UTC")).alias("_landed_at")
        written = files.write(settings.landing_root, PurePosixPath(path), rows.with_columns(landed_at))
        failpoint("landing.rewritten")
        db.execute(
            "update landing.commits set"
            " file_bytes = case when file = %(path)s then %(bytes)s else file_bytes end,"
            " file_sha256 = case when file = %(path)s then %(sha256)s else file_sha256 end,"
            " quarantine_file_bytes = case when quarantine_file = %(path)s then %(bytes)s"
            " else quarantine_file_bytes end,"
            " quarantine_file_sha256 = case when quarantine_file = %(path)s then %(sha256)s"
            " else quarantine_file_sha256 end"
            " where %(path)s in (file, quarantine_file)",
            {"path": path, "bytes": written.bytes, "sha256": written.sha256},
        )
        return written


def _flush(db: psycopg.Connection, path: str) -> _Flush:
    rows = db.execute(
        "select topic, topic_id, partition, first_offset, next_offset, log_id, fingerprint,"
        " quarantine_file is not distinct from %(path)s,"
        " case when quarantine_file = %(path)s then quarantine_file_rows else file_rows end"
        " from landing.commits where %(path)s in (file, quarantine_file)",
        {"path": path},
    ).fetchall()
    if not rows:
        raise Terminal(f"No commit names the file {path}.", remedy="The file is not needed.")
    topic, topic_id, *_, is_quarantine, count = rows[0]
    return _Flush(
        *(topic, topic_id, {row[2]: (row[3], row[4]) for row in rows}, count, is_quarantine),
        log_ids={row[2]: row[5] for row in rows},
        fingerprints={row[2]: row[6] for row in rows if row[6] is not None},
    )


def _require_held(settings: Settings, flush: _Flush, path: str) -> None:
    admin = clients.admin(settings)
    if topic_ids(admin, [flush.topic]).get(flush.topic) != flush.topic_id:
        raise Terminal(f"The records of {path} belong to a topic {flush.topic} that no longer exists.", remedy=_BACKUP)
    lows = offset_bounds(admin, [(flush.topic, partition) for partition in flush.ranges])
    for partition, (first, _) in flush.ranges.items():
        (low, _) = lows[flush.topic, partition]
        if low > first:
            raise Terminal(
                f"Kafka keeps {flush.topic}-{partition} from offset {low} on; {path} begins at {first}.",
                remedy=_BACKUP,
            )


def _tables(settings: Settings, flush: _Flush, path: str) -> Tables:
    buffer = Buffer(TOPICS[flush.topic], odd_headers=OddHeaders(settings).of)
    for partition, (first, end) in sorted(flush.ranges.items()):
        messages = list(committed_records(settings, flush.topic, partition, end, start=first))
        buffer.append(messages, {(flush.topic, partition): first})
    if not len(buffer):
        raise Terminal(f"Kafka holds none of the records of {path}.", remedy=_BACKUP)
    tables = tables_of(
        buffer.take(flush.topic_id, 0, {(flush.topic, p): log_id for p, log_id in flush.log_ids.items()})
    )
    found = {landed.partition: landed.fingerprint for landed in tables.ranges}
    altered = [p for p, expected in flush.fingerprints.items() if found.get(p) != expected]
    if altered:
        raise Terminal(
            f"Kafka lost the records of {flush.topic}, partition {altered[0]}, in {path} and now holds others.",
            remedy=_BACKUP,
        )
    return tables


def _created_at(path: str) -> datetime:
    """When the file was first written, to the second, from its name."""
    return datetime.strptime(PurePosixPath(path).name.split("-")[0], FILE_TIME_FORMAT).replace(tzinfo=UTC)
