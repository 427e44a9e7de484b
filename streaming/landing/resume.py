"""Where landing resumes: compares the stored positions of partitions with what the broker holds now.

Recreated topics and expired records are detected here; they stop their partitions with an error. If the broker has lost
landed records, landing continues with the current records at those offsets, as part of another log.
"""

from collections.abc import Iterable
from uuid import UUID

import psycopg
from confluent_kafka.admin import AdminClient

from headrace.contracts.settings import Settings
from headrace.contracts.topic import TopicAndPartition
from headrace.streaming.landing import positions
from headrace.streaming.landing.lost_ends import lost_ends
from headrace.streaming.landing.states import ResumePoints
from headrace.streaming.landing.truncations import Truncation, truncate
from headrace.streaming.runtime import logs, metrics
from headrace.streaming.runtime.topics import leader_epochs, offset_bounds, topic_ids


def resume_points(
    settings: Settings,
    db: psycopg.Connection,
    admin: AdminClient,
    keys: Iterable[TopicAndPartition],
    *,
    carefully: bool = False,
) -> ResumePoints:
    """Read the positions of `keys` (topic name and partition), and create those of new partitions.

    For `carefully`, see `lookup.first_records`.

    Raises:
        Transient: the broker did not answer.
        psycopg.OperationalError: PostgreSQL did not answer.
    """
    by_topic: dict[str, list[int]] = {}
    for topic, partition in sorted(keys):
        by_topic.setdefault(topic, []).append(partition)
    present = topic_ids(admin, by_topic)
    # Get the epochs before reading: records of a later leader are detected by their epoch.
    epochs = leader_epochs(admin, [(topic, p) for topic in present for p in by_topic[topic]])
    bounds = offset_bounds(admin, [(topic, p) for topic in present for p in by_topic[topic]])
    going: dict[TopicAndPartition, positions.Position] = {}
    stopped: dict[TopicAndPartition, str] = {}
    recorded: dict[str, UUID] = {}
    for topic, partitions in by_topic.items():
        topic_id = present.get(topic)
        on_record = positions.adopt(db, topic, topic_id) if topic_id else positions.known_topics(db).get(topic)
        if on_record is None:
            continue  # does not exist and never landed: nothing to resume
        recorded[topic] = on_record
        starts = {p: bounds[topic, p][0] for p in partitions if (topic, p) in bounds}
        if topic_id == on_record:
            positions.open_positions(db, topic, on_record, starts)
        stored = positions.stored_positions(db, [on_record])
        for partition in partitions:
            key = (topic, partition)
            position = stored.get(key)
            reason = position.stopped_reason if position else None
            if reason is None:
                reason = _reason_to_stop(position, topic_id, on_record, bounds.get(key))
                if reason is not None:
                    positions.stop(db, on_record, [partition], reason)
            if reason is not None:
                stopped[key] = reason
            elif position is not None:
                going[key] = position
    # Get the ends after the positions, so that commits of other landers in between are below the ends.
    bounds |= offset_bounds(admin, going)
    for key, start in lost_ends(settings, db, going, bounds, carefully=carefully).items():
        lost = truncate(db, going[key], start)
        if lost is not None:
            _report(lost)
        going[key] = positions.stored_positions(db, [going[key].topic_id])[key]
    return ResumePoints(
        positions={key: position.next_offset for key, position in going.items()},
        stopped=stopped,
        topic_ids=recorded,
        log_ids={key: position.log_id for key, position in going.items()},
        epochs=epochs,
    )


def _report(lost: Truncation) -> None:
    metrics.TRUNCATED_OFFSETS.labels(lost.topic).inc(lost.to_offset - lost.from_offset)
    logs.logger(part="lander").error(
        "the broker lost records that had landed",
        topic=lost.topic,
        partition=lost.partition,
        from_offset=lost.from_offset,
        to_offset=lost.to_offset,
        remedy="They are kept; the new records at these offsets also land. See docs/explanation/landing.md.",
    )


def _reason_to_stop(
    position: positions.Position | None, topic_id: UUID | None, on_record: UUID, bounds: tuple[int, int] | None
) -> str | None:
    if topic_id is None:
        return "the topic was deleted"
    if topic_id != on_record:
        return f"the topic was recreated: its id is {topic_id}, landed records are from {on_record}"
    if position is None or bounds is None:
        return "the partition does not exist"
    start, _ = bounds
    if position.next_offset < start:
        return f"offsets {position.next_offset} to {start - 1} expired before they were landed"
    return None
