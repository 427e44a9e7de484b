"""Where landing goes on: the stored positions of partitions, held against what the broker has now.

A topic recreated under its old name and a position outside the log are found here, and stop their partitions loudly.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import psycopg
from confluent_kafka.admin import AdminClient

from streaming.landing import accounts
from streaming.runtime.topics import offset_bounds, topic_ids

Key = tuple[str, int]


@dataclass(frozen=True)
class ResumePoints:
    """`positions` of the partitions to read on, `stopped` the others with the reason, and the ids of their topics."""

    positions: dict[Key, int]
    stopped: dict[Key, str]
    topic_ids: dict[str, UUID]


def resume_points(db: psycopg.Connection, admin: AdminClient, keys: Iterable[Key]) -> ResumePoints:
    """Read, and where a partition is new begin, the positions of `keys` (topic name and partition).

    Raises:
        Transient: the broker did not answer.
        psycopg.OperationalError: PostgreSQL did not.
    """
    by_topic: dict[str, list[int]] = {}
    for topic, partition in sorted(keys):
        by_topic.setdefault(topic, []).append(partition)
    present = topic_ids(admin, by_topic)
    bounds = offset_bounds(admin, [(topic, p) for topic in present for p in by_topic[topic]])
    positions: dict[Key, int] = {}
    stopped: dict[Key, str] = {}
    recorded: dict[str, UUID] = {}
    for topic, partitions in by_topic.items():
        topic_id = present.get(topic)
        on_record = accounts.adopt(db, topic, topic_id) if topic_id else accounts.known_topics(db).get(topic)
        if on_record is None:
            continue  # neither there now nor ever landed: nothing to resume
        recorded[topic] = on_record
        starts = {p: bounds[topic, p][0] for p in partitions if (topic, p) in bounds}
        if topic_id == on_record:
            accounts.open_positions(db, topic, on_record, starts)
        stored = accounts.positions(db, [on_record])
        for partition in partitions:
            key = (topic, partition)
            position = stored.get(key)
            reason = position.stopped_reason if position else None
            if reason is None:
                reason = _reason_to_stop(position, topic_id, on_record, bounds.get(key))
                if reason is not None:
                    accounts.stop(db, on_record, [partition], reason)
            if reason is not None:
                stopped[key] = reason
            elif position is not None:
                positions[key] = position.next_offset
    return ResumePoints(positions, stopped, recorded)


def _reason_to_stop(
    position: accounts.Position | None, topic_id: UUID | None, on_record: UUID, bounds: tuple[int, int] | None
) -> str | None:
    if topic_id is None:
        return "the topic was deleted"
    if topic_id != on_record:
        return f"the topic was recreated: its id is {topic_id}, what was landed is of {on_record}"
    if position is None or bounds is None:
        return "the partition does not exist"
    start, end = bounds
    if position.next_offset < start:
        return f"offsets {position.next_offset} to {start - 1} expired before they were landed"
    if position.next_offset > end:
        return f"the position {position.next_offset} is past the end of the log, {end}: the broker lost records"
    return None
