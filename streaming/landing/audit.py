"""Streaming's side of reconciliation: what each topic holds, by its own scan, and what the lander says it landed."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pyarrow.parquet as pq
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from contracts.accounts import Offsets, PartitionAccount, no_offsets
from contracts.errors import Terminal, Transient
from contracts.settings import Settings
from contracts.topics import TOPICS
from streaming.landing import accounts
from streaming.runtime import clients
from streaming.runtime.topics import offset_bounds, topic_ids

SCAN_RECORDS = 10_000
SCAN_SECONDS = 1.0
STALL_SECONDS = 30

Key = tuple[str, int]


def audit_topics(
    settings: Settings,
    registered: Mapping[tuple[UUID, int], int],
    *,
    topics: Iterable[str] = tuple(TOPICS),
) -> list[PartitionAccount]:
    """Account for every partition of the topics that exist.

    `registered` is the warehouse's position by topic id and partition: files of commits from there on are read here,
    those before it are the warehouse's own to account for.
    """
    admin = clients.admin(settings)
    ids = topic_ids(admin, topics)
    partitions = admin.list_topics(timeout=20).topics
    keys = [(topic, partition) for topic in sorted(ids) for partition in sorted(partitions[topic].partitions)]
    bounds = offset_bounds(admin, keys)
    held = scan(settings, bounds)
    found: list[PartitionAccount] = []
    with accounts.connection(settings.conninfo()) as db, accounts.snapshot(db):
        for topic, topic_id in sorted(ids.items()):
            mine = {partition: bounds[name, partition] for name, partition in keys if name == topic}
            of_topic = {p: position for (known, p), position in registered.items() if known == topic_id}
            files = accounts.committed_files(db, topic_id, of_topic)
            landed, damaged = _landed_offsets(settings.landing_root, files, of_topic)
            stored = accounts.positions(db, [topic_id])
            chains, gaps = accounts.chains(db, topic_id), accounts.gaps(db, topic_id)
            on_record = accounts.known_topics(db).get(topic)
            for partition, (start, end) in mine.items():
                position = stored.get((topic, partition))
                stopped = position.stopped_reason if position else None
                if on_record is not None and on_record != topic_id:
                    stopped = "the topic was recreated"
                found.append(
                    PartitionAccount(
                        topic=topic,
                        topic_id=topic_id,
                        partition=partition,
                        compacted=TOPICS[topic].compacted,
                        log_start=start,
                        scanned_to=end,
                        held=held[topic, partition],
                        start=position.start_offset if position else start,
                        position=position.next_offset if position else start,
                        chain=chains.get(partition, ()),
                        gaps=gaps.get(partition, ()),
                        stopped_reason=stopped,
                        unregistered=landed.get(partition, no_offsets()),
                        damaged=tuple(damaged),
                    )
                )
    return found


def scan(settings: Settings, bounds: Mapping[Key, tuple[int, int]]) -> dict[Key, Offsets]:
    """The offsets of all committed records between the bounds of each partition, read from the broker."""
    found: dict[Key, list[Offsets]] = {key: [] for key in bounds}
    waiting = {key for key, (start, end) in bounds.items() if end > start}
    consumer = clients.consumer(settings, f"headrace-audit-{uuid4().hex}", **{"enable.partition.eof": True})
    try:
        consumer.assign([TopicPartition(*key, bounds[key][0]) for key in waiting])
        idle = 0.0
        while waiting:
            messages = consumer.consume(SCAN_RECORDS, SCAN_SECONDS)
            idle = 0.0 if messages else idle + SCAN_SECONDS
            if idle > STALL_SECONDS:
                raise Transient(
                    f"Kafka sent nothing for {STALL_SECONDS} s while {len(waiting)} partitions were scanned."
                )
            _gather(messages, found, waiting)
            _end_reached(consumer, bounds, waiting)
    finally:
        consumer.close()
    return {key: _up_to(chunks, bounds[key][1]) for key, chunks in found.items()}


def _gather(messages: list[Message], found: dict[Key, list[Offsets]], waiting: set[Key]) -> None:
    records: dict[Key, list[int]] = {}
    for message in messages:
        key = (str(message.topic()), int(message.partition() or 0))
        error = message.error()
        if error is None:
            records.setdefault(key, []).append(int(message.offset() or 0))
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's own codes
            waiting.discard(key)
        elif not error.retriable() and error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            raise Terminal(f"Kafka refused the scan: {error.str()}.", remedy="Look at the broker's log.")
    for key, offsets in records.items():
        found[key].append(np.array(offsets, dtype=np.int64))


def _end_reached(consumer: Consumer, bounds: Mapping[Key, tuple[int, int]], waiting: set[Key]) -> None:
    if not waiting:
        return
    for position in consumer.position([TopicPartition(*key) for key in waiting]):
        key = (position.topic, position.partition)
        if position.offset >= bounds[key][1]:
            waiting.discard(key)


def _up_to(chunks: list[Offsets], end: int) -> Offsets:
    offsets = np.concatenate(chunks) if chunks else no_offsets()
    return np.sort(offsets[offsets < end])


def _landed_offsets(
    root: Path, files: list[accounts.CommittedFile], registered: Mapping[int, int]
) -> tuple[dict[int, Offsets], list[str]]:
    """Offsets at or past the registered position in these files, by partition, and the files that are damaged."""
    partitions: list[np.ndarray] = []
    offsets: list[np.ndarray] = []
    damaged: list[str] = []
    for file in files:
        path = root / file.path
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != file.sha256:
            damaged.append(file.path)
            continue
        table = pq.read_table(path, columns=["_partition", "_offset"], partitioning=None)  # pyright: ignore[reportArgumentType]
        partitions.append(table.column("_partition").to_numpy())
        offsets.append(table.column("_offset").to_numpy())
    if not offsets:
        return {}, damaged
    all_partitions, all_offsets = np.concatenate(partitions), np.concatenate(offsets)
    found: dict[int, Offsets] = {}
    for partition in np.unique(all_partitions).tolist():
        mine = all_offsets[all_partitions == partition]
        found[partition] = np.sort(mine[mine >= registered.get(partition, 0)])
    return found, damaged
