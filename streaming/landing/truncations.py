"""The table of landed ranges that the broker lost afterwards (`landing.truncations`)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from headrace.contracts.landing import log_id
from headrace.streaming.landing import positions


@dataclass(frozen=True)
class Truncation:
    """Offsets `from_offset` to `to_offset - 1` of a log that landed and were then lost by the broker.

    `leader_epoch` is that of the last landed record, if known.
    """

    topic: str
    topic_id: UUID
    partition: int
    log_id: UUID
    new_log_id: UUID
    from_offset: int
    to_offset: int
    leader_epoch: int | None
    detected_at: datetime


def truncate(db: psycopg.Connection, position: positions.Position, from_offset: int) -> Truncation | None:
    """Record that the broker lost the landed records from an offset on, and continue from there with another log id.

    Returns None if the position has changed: another process has handled it.
    """
    new = log_id(position.topic_id, position.partition, position.truncations + 1)
    with db.transaction():
        moved = db.execute(
            "update landing.positions set next_offset = %s, log_id = %s, truncations = truncations + 1,"
            " leader_epoch = null, last_record = null, high_offset = null"
            " where topic_id = %s and partition = %s and next_offset = %s and log_id = %s",
            (from_offset, new, position.topic_id, position.partition, position.next_offset, position.log_id),
        )
        if moved.rowcount != 1:
            return None
        db.execute(
            "insert into landing.truncations"
            " (topic, topic_id, partition, log_id, new_log_id, from_offset, to_offset, leader_epoch)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                *(position.topic, position.topic_id, position.partition, position.log_id, new),
                *(from_offset, position.next_offset, position.leader_epoch),
            ),
        )
    found = truncations_of(db, position.topic_id)
    return next(each for each in found if each.new_log_id == new and each.partition == position.partition)


def truncations_of(db: psycopg.Connection, topic_id: UUID | None = None) -> list[Truncation]:
    """The truncations of a topic (None: of all topics), in the order of detection."""
    with db.cursor(row_factory=class_row(Truncation)) as cursor:
        cursor.execute(
            "select topic, topic_id, partition, log_id, new_log_id, from_offset, to_offset, leader_epoch, detected_at"
            " from landing.truncations where topic_id = coalesce(%s, topic_id) order by detected_at, partition",
            (topic_id,),
        )
        return cursor.fetchall()
