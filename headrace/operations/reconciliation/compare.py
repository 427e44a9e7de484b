"""Reconciliation: compares the accounts of topics and warehouse offset by offset. Pure, without I/O."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

import numpy as np

from headrace.contracts.reconciliation import (
    DeliveryAccount,
    Offsets,
    PartitionAccount,
    ProcessorAccount,
    RegisteredAccount,
    StagedAccount,
    no_offsets,
)


@dataclass(frozen=True)
class PartitionResult:
    """The result for one log of a partition. All numbers count records (offsets), except the two positions.

    A partition has one log, and one more for each time the broker lost its end.

    held: retained in the topic and committed, up to the end when the scan began.
    landed: in committed files, including quarantined ones. registered: of these, registered in the warehouse.
    lost: held below the landing position, and not landed. duplicated: landed more than once.
    unknown: landed within the retained range, but not held by the topic (0 for compacted topics, where this is normal).
    pending: held from the position on, not landed yet. unregistered: landed, not registered yet.
    expired: landed, below the log's start: known only from the commit chain. skipped: skipped, in accepted gaps.
    set_apart: in batches that no client can read, by their headers; not included in held.
    chain_breaks: commits that do not begin where the previous one ended, or whose counts differ from what landed.
    truncated: landed, then lost by the broker; the landed rows are kept. altered: committed ranges for which the topic
    holds different records than landed.
    damaged_files: files of the topic, for any partition, that are missing or altered; `damaged` names them.
    """

    topic: str
    partition: int
    log_start: int
    position: int
    held: int
    landed: int
    registered: int
    quarantined: int
    lost: int
    duplicated: int
    unknown: int
    pending: int
    unregistered: int
    expired: int
    skipped: int
    set_apart: int
    chain_breaks: int
    damaged_files: int
    stopped_reason: str | None
    damaged: tuple[str, ...] = ()
    truncated: int = 0
    altered: int = 0
    altered_ranges: tuple[tuple[int, int], ...] = ()

    @property
    def sound(self) -> bool:
        """Nothing is lost, duplicated, altered, damaged or stopped; the partition may still be behind."""
        return not (
            self.lost
            or self.duplicated
            or self.unknown
            or self.altered
            or self.chain_breaks
            or self.damaged_files
            or self.stopped_reason
        )

    @property
    def complete(self) -> bool:
        """Sound, and all that the topic held has been landed and registered."""
        return self.sound and not self.pending and not self.unregistered


@dataclass(frozen=True)
class ProcessorResult:
    """The result for one processor and one input partition. All numbers count records.

    inputs: records read, of which used, dropped (by reason) and sent to dead letters (by kind). notes: other counts.
    pending: held by the topic, and not read yet.
    missed: held by the topic in the range read, but not among the inputs; negative for inputs that are not held. None
    if the topic no longer retains the range.
    """

    processor: str
    topic: str
    partition: int
    inputs: int
    used: int
    outputs: int
    drops: dict[str, int]
    dead_letters: dict[str, int]
    notes: dict[str, int]
    missed: int | None
    pending: int = 0

    @property
    def unaccounted(self) -> int:
        """Inputs without a recorded outcome."""
        return self.inputs - self.used - sum(self.drops.values()) - sum(self.dead_letters.values())

    @property
    def sound(self) -> bool:
        return not self.unaccounted and not self.missed


@dataclass(frozen=True)
class DeliveryResult:
    """The result for a table that Connect writes. All numbers count keys (rows), except `rejected`.

    live: in the topic, and the latest record of the key is not a tombstone. rows: in the table.
    lost: below what the delivery has committed, and not in the table as in the topic. pending: not delivered yet.
    unexpected: in the table, and not live in the topic's retained range. older: rows whose records are no longer
    retained. rejected: records in the dead letters.
    """

    table: str
    live: int
    rows: int
    lost: int
    pending: int
    unexpected: int
    older: int
    rejected: int

    @property
    def sound(self) -> bool:
        return not self.lost and not self.unexpected


@dataclass(frozen=True)
class Reconciliation:
    """The results of all partitions, of processors by input partition, and of tables that Connect writes or feeds."""

    partitions: list[PartitionResult] = field(default_factory=list)
    processors: list[ProcessorResult] = field(default_factory=list)
    deliveries: list[DeliveryResult] = field(default_factory=list)
    staged: list[StagedAccount] = field(default_factory=list)
    held_back: list[str] = field(default_factory=list[str])
    """Open transactions that block readers: producer, start time, and remedy."""
    missing_files: list[str] = field(default_factory=list[str])
    """Missing or damaged files that are not in the tables, with the table and the number of rows they had."""

    @property
    def sound(self) -> bool:
        taken = all(not each.missing and not each.unexpected for each in self.staged)
        return (
            taken
            and not self.missing_files
            and all(each.sound for each in (*self.partitions, *self.processors, *self.deliveries))
        )

    @property
    def complete(self) -> bool:
        done = not any(each.pending for each in (*self.deliveries, *self.staged, *self.processors))
        return self.sound and done and not self.held_back and all(result.complete for result in self.partitions)

    @property
    def damaged(self) -> list[str]:
        """The files that are missing or altered, of all topics."""
        return sorted({path for result in self.partitions for path in result.damaged})

    def total(self, name: str) -> int:
        """Sum of one of the counts over all partitions."""
        return sum(getattr(result, name) for result in self.partitions)

    def as_json(self) -> dict[str, Any]:
        names = (
            "held",
            "landed",
            "registered",
            "quarantined",
            "lost",
            "duplicated",
            "unknown",
            "pending",
            "unregistered",
            "truncated",
            "altered",
            "set_apart",
        )
        return {
            "complete": self.complete,
            "sound": self.sound,
            "totals": {name: self.total(name) for name in names},
            "partitions": [asdict(result) for result in self.partitions],
            "processors": [asdict(result) | {"unaccounted": result.unaccounted} for result in self.processors],
            "deliveries": [asdict(result) for result in self.deliveries],
            "staged": [asdict(account) for account in self.staged],
            "held_back": self.held_back,
            "missing_files": self.missing_files,
        }


def reconcile(
    topics: Iterable[PartitionAccount],
    registered: Iterable[RegisteredAccount],
    processors: Iterable[ProcessorAccount] = (),
    deliveries: Iterable[DeliveryAccount] = (),
    staged: Iterable[StagedAccount] = (),
    held_back: Iterable[str] = (),
    missing_files: Iterable[str] = (),
) -> Reconciliation:
    """Compare what the topics hold with what was landed, registered, processed, and stored by Connect."""
    found = list(topics)
    accounts = {(account.topic_id, account.partition): account for account in registered}
    held: dict[tuple[UUID, int], list[PartitionAccount]] = {}
    for topic in found:
        held.setdefault((topic.topic_id, topic.partition), []).append(topic)
    return Reconciliation(
        [_compare(topic, accounts.get((topic.log_id or topic.topic_id, topic.partition))) for topic in found],
        [_processed(account, held.get((account.topic_id, account.partition), [])) for account in processors],
        [_delivered(account) for account in deliveries],
        list(staged),
        list(held_back),
        list(missing_files),
    )


def _delivered(account: DeliveryAccount) -> DeliveryResult:
    lost = pending = unexpected = older = 0
    # A row may come from a record that arrived after the scan of the topic.
    ahead = {
        key
        for key, (topic_id, (partition, offset)) in account.rows.items()
        if topic_id == account.topic_id and offset >= account.bounds[partition][1]
    }
    for key, (partition, offset) in account.live.items():
        if key not in ahead and account.rows.get(key) != (account.topic_id, (partition, offset)):
            lost, pending = _counted(lost, pending, offset >= account.committed[partition])
    for key, (topic_id, (partition, offset)) in account.rows.items():
        if key in account.live or key in ahead:
            continue
        if key in account.gone:
            gone_partition, gone_at = account.gone[key]
            unexpected, pending = _counted(unexpected, pending, gone_at >= account.committed[gone_partition])
        elif topic_id != account.topic_id or offset < account.bounds[partition][0]:
            older += 1
        else:
            unexpected += 1
    return DeliveryResult(
        table=account.table,
        live=len(account.live),
        rows=len(account.rows),
        lost=lost + account.vanished,
        pending=pending,
        unexpected=unexpected,
        older=older,
        rejected=account.rejected,
    )


def _counted(fault: int, pending: int, on_its_way: bool) -> tuple[int, int]:
    return (fault, pending + 1) if on_its_way else (fault + 1, pending)


def _processed(account: ProcessorAccount, logs: list[PartitionAccount]) -> ProcessorResult:
    missed = None
    held = np.concatenate([log.held for log in logs]) if logs else no_offsets()
    if logs and logs[0].log_start <= account.first:
        in_range = (held >= account.first) & (held < account.next)
        missed = int(in_range.sum()) - account.inputs
        # A processor may have read what the lander set apart: decompression limits differ between clients.
        ranges = (each for log in logs for each in log.set_apart)
        readable = sum(records for first, _, records in ranges if account.first <= first < account.next)
        if -readable <= missed < 0:
            missed = 0
    return ProcessorResult(
        processor=account.processor,
        topic=account.topic,
        partition=account.partition,
        inputs=account.inputs,
        used=account.used,
        outputs=account.outputs,
        drops=account.drops,
        dead_letters=account.dead_letters,
        notes=account.notes,
        missed=missed,
        pending=int((held >= account.next).sum()),
    )


def _compare(topic: PartitionAccount, account: RegisteredAccount | None) -> PartitionResult:
    known = account.offsets if account else no_offsets()
    landed = np.sort(np.concatenate([known, topic.unregistered]))
    distinct = np.unique(landed)
    retained = distinct[(distinct >= max(topic.log_start, topic.start)) & (distinct < topic.scanned_to)]
    due = topic.held[(topic.held >= topic.start) & (topic.held < topic.position)]
    missing = np.setdiff1d(due, distinct, assume_unique=True)
    skipped = _within(missing, topic.gaps)
    damaged = tuple(sorted({*topic.damaged, *(account.damaged if account else ())}))
    return PartitionResult(
        topic=topic.topic,
        partition=topic.partition,
        log_start=topic.log_start,
        position=topic.position,
        held=len(topic.held),
        landed=len(landed),
        registered=len(known),
        quarantined=sum(link.quarantined for link in topic.chain),
        lost=len(missing) - skipped,
        duplicated=len(landed) - len(distinct),
        unknown=0 if topic.compacted else len(np.setdiff1d(retained, topic.held, assume_unique=True)),
        pending=int((topic.held >= topic.position).sum()),
        unregistered=len(topic.unregistered),
        expired=int((distinct < topic.log_start).sum()),
        skipped=skipped,
        set_apart=sum(records for _, _, records in topic.set_apart),
        chain_breaks=_chain_breaks(topic, landed),
        damaged_files=len(damaged),
        stopped_reason=topic.stopped_reason,
        damaged=damaged,
        truncated=int((distinct >= topic.scanned_to).sum()) if topic.lost_end else 0,
        altered=len(topic.altered),
        altered_ranges=topic.altered,
    )


def _within(offsets: Offsets, ranges: Iterable[tuple[int, int]]) -> int:
    return sum(int(((offsets >= start) & (offsets < end)).sum()) for start, end in ranges)


def _chain_breaks(topic: PartitionAccount, landed: Offsets) -> int:
    """The number of links that do not join, or whose record counts differ from what landed in their range."""
    ends = dict(topic.gaps)
    breaks, expected = 0, topic.start
    for link in topic.chain:
        while expected != link.first and expected in ends:
            expected = ends[expected]
        count = int(np.searchsorted(landed, link.next) - np.searchsorted(landed, link.first))
        if link.first != expected or count != link.rows + link.quarantined:
            breaks += 1
        expected = link.next
    while expected != topic.position and expected in ends:
        expected = ends[expected]
    return breaks + (expected != topic.position)
