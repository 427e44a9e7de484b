"""Records between Kafka and a file: buffered by topic without a Python statement per record, then turned into
tables."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
from confluent_kafka import Message

from headrace.contracts.landing import PartitionRange
from headrace.contracts.topic import Topic
from headrace.streaming.landing import fingerprints
from headrace.streaming.landing.byte_column import ByteColumn
from headrace.streaming.landing.columnar import Offender, Survey, survey
from headrace.streaming.landing.upcasting import decode_versions
from headrace.streaming.runtime.arrival import times_and_arrivals
from headrace.streaming.runtime.careful.headers import UNREAD, Headers, headers_of

RECORD_OVERHEAD_BYTES = 48
"""Approximate memory per record besides its value, key and headers: cells of lists and arrays."""


def _unread(_topic: str, _partition: int, _offset: int) -> Headers | None:
    return UNREAD


@dataclass
class Buffer:
    """The records of one topic since its last flush.

    By partition, `firsts` is the start of the next flush's range, `nexts` its end so far, and `epochs` the leader epoch
    of the last record (None if the broker sends none). `size_bytes` is the memory used. `odd_headers` reads a record's
    headers, by topic, partition and offset, if the client cannot.
    """

    topic: Topic
    clock: Callable[[], float] = time.monotonic
    odd_headers: Callable[[str, int, int], Headers | None] = _unread
    values: list[ByteColumn] = field(default_factory=list[ByteColumn])
    surveys: list[Survey] = field(default_factory=list[Survey])
    keys: list[ByteColumn] = field(default_factory=list[ByteColumn])
    headers: list[Any] = field(default_factory=list)
    times: list[np.ndarray] = field(default_factory=list)
    arrivals: list[np.ndarray] = field(default_factory=list)
    partitions: list[np.ndarray] = field(default_factory=list)
    offsets: list[np.ndarray] = field(default_factory=list)
    firsts: dict[int, int] = field(default_factory=dict)
    nexts: dict[int, int] = field(default_factory=dict)
    epochs: dict[int, int | None] = field(default_factory=dict)
    count: int = 0
    size_bytes: int = 0
    since: float = 0.0

    def __len__(self) -> int:
        return self.count

    @property
    def separator(self) -> bytes:
        """The separator of values: events are parsed as lines; dead letters are not parsed."""
        return fingerprints.separator_of(self.topic)

    @property
    def age(self) -> float:
        """Seconds since the oldest record was added; 0 if empty."""
        return self.clock() - self.since if self.count else 0.0

    def append(self, messages: list[Message], expected: dict[tuple[str, int], int]) -> int:
        """Add the messages at or past the position `expected` of their partition, and advance it.

        Messages of partitions that are not expected (revoked, stopped) are dropped. Returns the bytes of values added.
        On an exception, the buffer and the positions are unchanged.
        """
        count = len(messages)
        partitions = np.fromiter(map(Message.partition, messages), np.int32, count)
        offsets = np.fromiter(map(Message.offset, messages), np.int64, count)
        wanted, lasts = self._wanted(partitions, offsets, expected)
        ends = {partition: (int(offsets[at]) + 1, messages[at].leader_epoch()) for partition, at in lasts.items()}
        if wanted is not None:
            messages = [message for message, keep in zip(messages, wanted, strict=True) if keep]
            partitions, offsets, count = partitions[wanted], offsets[wanted], len(messages)
        if not messages:
            return 0
        values = ByteColumn.of(list(map(Message.value, messages)), self.separator)
        keys = ByteColumn.of(list(map(Message.key, messages)))
        headers, odd = headers_of(messages)
        for place in odd:
            headers[place] = self.odd_headers(self.topic.name, int(partitions[place]), int(offsets[place]))
        times, arrived = times_and_arrivals(map(Message.timestamp, messages), count)
        lines = survey(values.data) if self.separator else None
        # Nothing raises from here on.
        if not self.count:
            self.since = self.clock()
        for partition, (end, epoch) in ends.items():
            self.firsts.setdefault(partition, expected[self.topic.name, partition])
            self.nexts[partition] = expected[self.topic.name, partition] = end
            self.epochs[partition] = epoch
        self.values.append(values)
        if lines is not None:
            self.surveys.append(lines)
        self.keys.append(keys)
        self.headers += headers
        self.times.append(times)
        self.arrivals.append(arrived)
        self.partitions.append(partitions)
        self.offsets.append(offsets)
        self.count += count
        self.size_bytes += len(values.data) + len(keys.data) + count * RECORD_OVERHEAD_BYTES
        if any(headers):
            self.size_bytes += sum(len(name) + len(value or b"") for row in headers for name, value in row or ())
        return int(np.maximum(values.lengths, 0).sum())

    def _wanted(
        self, partitions: np.ndarray, offsets: np.ndarray, expected: dict[tuple[str, int], int]
    ) -> tuple[np.ndarray | None, dict[int, int]]:
        """Which messages to keep (None: all), and the index of the last one of each partition."""
        wanted: np.ndarray | None = None
        lasts: dict[int, int] = {}
        for partition in np.flatnonzero(np.bincount(partitions)).tolist():
            mine = partitions == partition
            position = expected.get((self.topic.name, partition))
            late = mine if position is None else mine & (offsets < position)
            if late.any():
                wanted = ~late if wanted is None else wanted & ~late
                mine &= ~late
            if position is not None and mine.any():
                lasts[partition] = int(np.flatnonzero(mine)[-1])
        return wanted, lasts

    def of_later_leaders(self, epochs: Mapping[tuple[str, int], int]) -> list[int]:
        """The partitions whose last record has a later leader epoch than these."""
        return [
            partition
            for partition, epoch in self.epochs.items()
            if epoch is not None and epoch > epochs.get((self.topic.name, partition), epoch)
        ]

    def take(self, topic_id: UUID, generation: int, log_ids: Mapping[tuple[str, int], UUID] | None = None) -> "Batch":
        """Return the content as a batch and empty the buffer. `log_ids` are by partition (default: the topic's id)."""
        batch = Batch(
            topic=self.topic,
            topic_id=topic_id,
            log_ids={
                partition: (log_ids or {}).get((self.topic.name, partition), topic_id) for partition in self.firsts
            },
            epochs=self.epochs,
            generation=generation,
            values=ByteColumn.concat(self.values),
            survey=Survey.of_lines(self.surveys) if self.surveys else None,
            keys=ByteColumn.concat(self.keys),
            headers=self.headers,
            times=np.concatenate(self.times),
            arrivals=np.concatenate(self.arrivals),
            partitions=np.concatenate(self.partitions),
            offsets=np.concatenate(self.offsets),
            firsts=self.firsts,
            nexts=self.nexts,
        )
        self.clear()
        return batch

    def clear(self) -> None:
        """Discard the content."""
        self.values, self.surveys, self.keys, self.headers = [], [], [], []
        self.times, self.arrivals, self.partitions, self.offsets = [], [], [], []
        self.firsts, self.nexts, self.epochs, self.count, self.size_bytes = {}, {}, {}, 0, 0


@dataclass
class Batch:
    """The records of one flush of one topic, in the order received, and the ranges they cover.

    By partition, `log_ids` has the id of its log and `epochs` the leader epoch of its last record. `survey` covers the
    values of an event topic.
    """

    topic: Topic
    topic_id: UUID
    log_ids: dict[int, UUID]
    epochs: dict[int, int | None]
    generation: int
    values: ByteColumn
    survey: Survey | None
    keys: ByteColumn
    headers: list[Any]
    times: np.ndarray
    partitions: np.ndarray
    offsets: np.ndarray
    firsts: dict[int, int]
    nexts: dict[int, int]
    arrivals: np.ndarray | None = None
    """When the records arrived, if that differs from their timestamps (`headrace.streaming.runtime.arrival`)."""

    def at(self, places: np.ndarray) -> "Batch":
        """A subset of the records, with all ranges."""
        return replace(
            self,
            values=ByteColumn.of(self.values.at(places), self.values.separator),
            survey=None,
            keys=ByteColumn.of(self.keys.at(places)),
            headers=[self.headers[place] for place in places.tolist()],
            times=self.times[places],
            arrivals=None if self.arrivals is None else self.arrivals[places],
            partitions=self.partitions[places],
            offsets=self.offsets[places],
        )


@dataclass(frozen=True)
class Rows:
    """Rows to write: `landed` and `quarantined` (None if there are none). `invalid` has the indices of the invalid
    records in the batch."""

    landed: pl.DataFrame | None
    quarantined: pl.DataFrame | None
    offenders: list[Offender]
    invalid: np.ndarray
    event_times: tuple[datetime, datetime] | None


@dataclass(frozen=True)
class Tables:
    """The tables to write for a batch, and the ranges to commit."""

    landed: pl.DataFrame | None
    quarantined: pl.DataFrame | None
    offenders: list[Offender]
    ranges: tuple[PartitionRange, ...]
    event_times: tuple[datetime, datetime] | None


def to_rows(batch: Batch) -> Rows:
    """Decode the batch into landing columns; tombstones land with their key, invalid records go to quarantine.

    `_landed_at`, the last column, is added when the file is written.
    """
    records = record_columns(batch)
    if batch.topic.contract is None:
        values = batch.values.series().rename("_value").to_frame()
        return Rows(values.hstack(records), None, [], np.empty(0, np.int64), None)
    is_null = batch.values.is_null
    present, tombstones = np.flatnonzero(~is_null), np.flatnonzero(is_null)
    values = batch.values if not len(tombstones) else batch.values.without_nulls()
    headers = batch.headers if not len(tombstones) else [batch.headers[place] for place in present.tolist()]
    decoded = decode_versions(batch.topic.contract, values, headers, None if len(tombstones) else batch.survey)
    decoded_at = present if decoded.indices is None else present[decoded.indices]
    landed = _landed(decoded.events, records, decoded_at, tombstones)
    invalid = present[np.array([offender.index for offender in decoded.offenders], dtype=np.int64)]
    return Rows(
        landed=landed if landed.height else None,
        quarantined=quarantined(batch, records, invalid, decoded.offenders) if decoded.offenders else None,
        offenders=decoded.offenders,
        invalid=invalid,
        event_times=_event_times(landed),
    )


def with_ranges(batch: Batch, rows: Rows) -> Tables:
    """The rows of a batch with the ranges that it covers."""
    return Tables(rows.landed, rows.quarantined, rows.offenders, _ranges(batch, rows.invalid), rows.event_times)


def to_tables(batch: Batch) -> Tables:
    """`to_rows`, with the ranges to commit."""
    return with_ranges(batch, to_rows(batch))


def _landed(
    events: pl.DataFrame, records: pl.DataFrame, events_at: np.ndarray, tombstones_at: np.ndarray
) -> pl.DataFrame:
    """Events and tombstones with their record columns, in the order of the batch."""
    if len(events_at) == records.height:
        return events.hstack(records)
    rows = pl.concat([events, events.clear(len(tombstones_at))])
    at = np.concatenate([events_at, tombstones_at])
    order = np.argsort(at, kind="stable")
    return rows[order].hstack(records[at[order]])


def record_columns(batch: Batch) -> pl.DataFrame:
    """The columns that identify the record of a row."""
    return pl.DataFrame(
        {
            "_topic_id": _log_id_column(batch),
            "_partition": batch.partitions,
            "_offset": batch.offsets,
            "_key": batch.keys.series(),
            "_headers": _header_column(batch.headers),
            "_is_tombstone": batch.values.is_null,
            "_kafka_time": pl.Series(batch.times if batch.arrivals is None else batch.arrivals)
            .cast(pl.Datetime("ms", "UTC"))
            .cast(pl.Datetime("us", "UTC")),
        }
    )


def _log_id_column(batch: Batch) -> pl.Series:
    if set(batch.log_ids.values()) == {batch.topic_id}:
        return pl.repeat(str(batch.topic_id), len(batch.values), dtype=pl.String, eager=True)
    ids = pl.Series([str(batch.log_ids.get(partition, "")) for partition in range(max(batch.log_ids) + 1)])
    return ids[batch.partitions]


def _header_column(headers: list[Any]) -> pl.Series:
    kind = pl.List(pl.Struct({"key": pl.String, "value": pl.Binary}))
    if not any(headers):
        return pl.repeat(None, len(headers), dtype=kind, eager=True)
    if headers.count(headers[0]) == len(headers):
        # As the records of a contract above version 1 usually have, which then costs little.
        one = [{"key": key, "value": _as_bytes(value)} for key, value in headers[0]]
        return pl.Series([one], dtype=kind).new_from_index(0, len(headers))
    rows = [[{"key": key, "value": _as_bytes(value)} for key, value in row] if row else None for row in headers]
    return pl.Series(rows, dtype=kind)


def _as_bytes(value: bytes | str | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def quarantined(batch: Batch, records: pl.DataFrame, invalid: np.ndarray, offenders: list[Offender]) -> pl.DataFrame:
    """The rows of a quarantine file, one per invalid record."""
    values = pl.Series("_value", batch.values.at(invalid), dtype=pl.Binary)
    reasons = pl.Series("_reason", [offender.reason for offender in offenders], dtype=pl.String)
    return pl.DataFrame([values, reasons]).hstack(records[invalid])


def _ranges(batch: Batch, invalid: np.ndarray) -> tuple[PartitionRange, ...]:
    size = max(batch.firsts) + 1
    records = np.bincount(batch.partitions, minlength=size)
    set_aside = np.bincount(batch.partitions[invalid], minlength=size)
    prints = fingerprints.of_batch(batch)
    return tuple(
        PartitionRange(
            partition=partition,
            first=batch.firsts[partition],
            next=batch.nexts[partition],
            rows=int(records[partition] - set_aside[partition]),
            quarantined=int(set_aside[partition]),
            log_id=batch.log_ids[partition],
            fingerprint=prints[partition].records,
            last_record=prints[partition].last_record,
            leader_epoch=batch.epochs[partition],
        )
        for partition in sorted(batch.firsts)
    )


def _event_times(landed: pl.DataFrame) -> tuple[datetime, datetime] | None:
    earliest, latest = landed.select(pl.min("event_time"), pl.max("event_time").alias("latest")).row(0)
    return None if earliest is None else (earliest, latest)
