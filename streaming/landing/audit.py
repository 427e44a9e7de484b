"""Streaming's side of reconciliation: what each topic holds, by a scan, and what the lander recorded as landed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import polars as pl
import psycopg
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.landing import LandedFile
from headrace.contracts.reconciliation import CommittedRange, Offsets, PartitionAccount, no_offsets
from headrace.contracts.settings import Settings
from headrace.contracts.topic import TopicAndPartition
from headrace.contracts.topics import TOPICS
from headrace.streaming.landing import apart, positions
from headrace.streaming.landing.contents import Comparison, Log, comparisons, logs_of
from headrace.streaming.landing.truncations import Truncation, truncations_of
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.careful.reader import UNREADABLE, CarefulReader
from headrace.streaming.runtime.careful.stalls import STALL_SECONDS
from headrace.streaming.runtime.topics import offset_bounds, topic_ids

SCAN_RECORDS = 10_000
SCAN_SECONDS = 0.2
"""Short, since fetched records are held in memory: a few may have 100 MB each."""
SILENT_SECONDS = 30


def audit_topics(
    settings: Settings,
    registered: Mapping[tuple[UUID, int], int],
    *,
    topics: Iterable[str] = tuple(TOPICS),
) -> list[PartitionAccount]:
    """Account for every log of every partition of the topics that exist.

    `registered` is the warehouse's position by log id and partition: files of later commits are read here; the
    warehouse accounts for earlier ones.
    """
    admin = clients.admin(settings)
    ids = topic_ids(admin, topics)
    partitions = admin.list_topics(timeout=20).topics
    keys = [(topic, partition) for topic in sorted(ids) for partition in sorted(partitions[topic].partitions)]
    # Commits before the scan: records that land meanwhile are beyond its end.
    with positions.connection(settings.conninfo()) as db, positions.snapshot(db):
        books = [_book(db, topic, topic_id) for topic, topic_id in sorted(ids.items())]
    contents = {key: each for book in books for key, each in comparisons(book.logs(), book.chains).items()}
    bounds = offset_bounds(admin, keys)
    held = scan(settings, bounds, contents)
    altered = {key: compared.altered() for key, compared in contents.items()}
    found: list[PartitionAccount] = []
    with positions.connection(settings.conninfo()) as db, positions.snapshot(db):
        for topic, topic_id in sorted(ids.items()):
            book = _book(db, topic, topic_id)
            files = positions.committed_files(db, topic_id, registered)
            landed, damaged = _landed_offsets(settings.landing_root, files, registered)
            for key in (key for key in keys if key[0] == topic):
                found += _accounts(book, key, bounds[key], held[key], altered.get(key, ()), landed, tuple(damaged))
    return found


@dataclass(frozen=True)
class _Book:
    """A topic's rows in PostgreSQL."""

    topic: str
    topic_id: UUID
    on_record: UUID | None
    stored: dict[TopicAndPartition, positions.Position]
    truncations: list[Truncation]
    chains: dict[positions.Log, tuple[CommittedRange, ...]]
    gaps: dict[int, tuple[tuple[int, int], ...]]
    set_apart: dict[positions.Log, tuple[apart.Range, ...]]

    def logs(self) -> dict[TopicAndPartition, list[Log]]:
        return {key: logs_of(position, self.truncations) for key, position in self.stored.items()}


def _book(db: psycopg.Connection, topic: str, topic_id: UUID) -> _Book:
    return _Book(
        topic=topic,
        topic_id=topic_id,
        on_record=positions.known_topics(db).get(topic),
        stored=positions.stored_positions(db, [topic_id]),
        truncations=truncations_of(db, topic_id),
        chains=positions.chains(db, topic_id),
        gaps=positions.gaps(db, topic_id),
        set_apart=apart.ranges(db, topic_id),
    )


def _accounts(
    book: _Book,
    key: TopicAndPartition,
    bounds: tuple[int, int],
    held: Offsets,
    altered: tuple[tuple[int, int], ...],
    landed: Mapping[positions.Log, Offsets],
    damaged: tuple[str, ...],
) -> Iterator[PartitionAccount]:
    """The account of each log of a partition."""
    (topic, partition), (start, end), position = key, bounds, book.stored.get(key)
    stopped = position.stopped_reason if position else None
    if book.on_record is not None and book.on_record != book.topic_id:
        stopped = "the topic was recreated"
    logs = [Log(book.topic_id, start, None, start)] if position is None else logs_of(position, book.truncations)
    for log in logs:
        # A later log has no records below its start, which is where the previous one ended.
        first, last = max(start, log.start if log is not logs[0] else start), end if log.end is None else log.end
        set_apart = book.set_apart.get((log.log_id, partition), ())
        of_log = _without(held[(held >= first) & (held < last)], set_apart)
        yield PartitionAccount(
            topic=topic,
            topic_id=book.topic_id,
            partition=partition,
            compacted=TOPICS[topic].compacted,
            log_start=start,
            scanned_to=min(last, end),
            held=of_log,
            start=log.start,
            position=log.position,
            chain=book.chains.get((log.log_id, partition), ()),
            gaps=book.gaps.get(partition, ()),
            set_apart=tuple(each for each in set_apart if first <= each[0] < last),
            stopped_reason=stopped if log.end is None else None,
            unregistered=landed.get((log.log_id, partition), no_offsets()),
            damaged=damaged if log.end is None else (),
            log_id=log.log_id,
            lost_end=log.end is not None,
            altered=tuple(each for each in altered if first <= each[0] < last),
        )


def scan(
    settings: Settings,
    bounds: Mapping[TopicAndPartition, tuple[int, int]],
    contents: Mapping[TopicAndPartition, Comparison] | None = None,
) -> dict[TopicAndPartition, Offsets]:
    """The offsets of all committed records between the bounds of each partition, read from the broker.

    The records are also passed to the comparison of their partition, if any. An unreadable batch counts as one record,
    at its first offset.
    """
    found: dict[TopicAndPartition, list[Offsets]] = {key: [] for key in bounds}
    waiting = {key for key, (start, end) in bounds.items() if end > start}
    consumer = clients.one_off_consumer(settings, f"headrace-audit-{uuid4().hex}")
    try:
        consumer.assign([TopicPartition(*key, bounds[key][0]) for key in waiting])
        idle = looked = 0.0
        passed = {key: bounds[key][0] for key in waiting}
        while waiting:
            messages = clients.queued(consumer, SCAN_RECORDS, SCAN_SECONDS)
            idle, looked = (0.0, 0.0) if messages else (idle + SCAN_SECONDS, looked)
            if idle > SILENT_SECONDS:
                raise Transient(
                    f"Kafka sent nothing for {SILENT_SECONDS} s while {len(waiting)} partitions were scanned."
                )
            unreadable = _gather(messages, found, waiting, contents or {})
            if idle > looked + STALL_SECONDS:
                unreadable, looked = {key: _next(found[key]) for key in waiting}, idle
            for key, offset in unreadable.items():
                with CarefulReader(settings) as reader:
                    stretch = reader.next_batch(*key, max(offset, passed[key]))
                if stretch is not None:
                    _take(key, stretch.messages, found, contents or {})
                    if stretch.unreadable is not None:
                        found[key].append(np.array([stretch.unreadable.first], dtype=np.int64))
                    passed[key] = stretch.next
                    consumer.seek(TopicPartition(*key, stretch.next))
            _end_reached(consumer, bounds, waiting)
    finally:
        consumer.close()
    return {key: _up_to(chunks, bounds[key][1]) for key, chunks in found.items()}


def _gather(
    messages: list[Message],
    found: dict[TopicAndPartition, list[Offsets]],
    waiting: set[TopicAndPartition],
    contents: Mapping[TopicAndPartition, Comparison],
) -> dict[TopicAndPartition, int]:
    """Process records; returns the partitions whose next batch cannot be read, with its offset."""
    records: dict[TopicAndPartition, list[Message]] = {}
    unreadable: dict[TopicAndPartition, int] = {}
    for message in messages:
        key = clients.place_of(message)
        error = message.error()
        if error is None:
            records.setdefault(key, []).append(message)
        elif error.code() == clients.END_OF_PARTITION:
            waiting.discard(key)
        elif error.code() in UNREADABLE:
            unreadable[key] = int(message.offset() or 0)
        elif not error.retriable() and error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            raise Terminal(f"Kafka rejected the scan: {error.str()}.", remedy="Check the broker's log.")
    for key, taken in records.items():
        _take(key, taken, found, contents)
    return unreadable


def _next(chunks: list[Offsets]) -> int:
    """The offset after the last one found."""
    return next((int(chunk[-1]) + 1 for chunk in reversed(chunks) if len(chunk)), 0)


def _take(
    key: TopicAndPartition,
    taken: list[Message],
    found: dict[TopicAndPartition, list[Offsets]],
    contents: Mapping[TopicAndPartition, Comparison],
) -> None:
    offsets = np.fromiter(map(Message.offset, taken), np.int64, len(taken))
    found[key].append(offsets)
    if key in contents:
        contents[key].add(taken, offsets)


def _without(offsets: Offsets, ranges: Iterable[tuple[int, int, int]]) -> Offsets:
    """The offsets outside these ranges."""
    for first, following, _ in ranges:
        offsets = offsets[(offsets < first) | (offsets >= following)]
    return offsets


def _end_reached(
    consumer: Consumer, bounds: Mapping[TopicAndPartition, tuple[int, int]], waiting: set[TopicAndPartition]
) -> None:
    if not waiting:
        return
    for position in consumer.position([TopicPartition(*key) for key in waiting]):
        key = (position.topic, position.partition)
        if position.offset >= bounds[key][1]:
            waiting.discard(key)


def _up_to(chunks: list[Offsets], end: int) -> Offsets:
    offsets = np.concatenate(chunks) if chunks else no_offsets()
    return np.unique(offsets[offsets < end])


def _landed_offsets(
    root: Path, files: list[LandedFile], registered: Mapping[positions.Log, int]
) -> tuple[dict[positions.Log, Offsets], list[str]]:
    """Offsets at or past the registered position in these files, by log, and the files that are damaged."""
    tables: list[pl.DataFrame] = []
    damaged: list[str] = []
    for file in files:
        if file.damage(root) is not None:
            damaged.append(file.path)
            continue
        columns = ["_topic_id", "_partition", "_offset"]
        tables.append(pl.read_parquet(root / file.path, columns=columns, hive_partitioning=False))
    found: dict[positions.Log, Offsets] = {}
    for (log_id, partition), rows in pl.concat(tables).group_by("_topic_id", "_partition") if tables else ():
        log, mine = (UUID(str(log_id)), int(str(partition))), rows["_offset"].to_numpy()
        found[log] = np.sort(mine[mine >= registered.get(log, 0)])
    return found, damaged
