"""Reconciliation: the topics' account against the warehouse's, offset by offset. A pure comparison, without I/O."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from contracts.accounts import Offsets, PartitionAccount, RegisteredAccount, no_offsets


@dataclass(frozen=True)
class PartitionResult:
    """How one partition adds up. Every number counts records (offsets), but for the two positions.

    held: retained in the topic and committed, up to the end seen when the scan began.
    landed: in committed files, quarantined ones included. registered: of these, known to the warehouse.
    lost: held below the landing position, and not landed. duplicated: landed more than once.
    unknown: landed within the retained range, but not held by the topic (of compacted topics that is normal: 0).
    pending: held from the position on, not landed yet. unregistered: landed, not registered yet.
    expired: landed, below the log's start: only the commit chain tells of them. given_up: in accepted gaps.
    chain_breaks: commits that do not begin where the one before ended, or whose counts differ from what landed.
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
    given_up: int
    chain_breaks: int
    damaged_files: int
    stopped_reason: str | None

    @property
    def sound(self) -> bool:
        """Nothing is lost, repeated, damaged or stopped; the partition may still be behind."""
        return not (
            self.lost
            or self.duplicated
            or self.unknown
            or self.chain_breaks
            or self.damaged_files
            or self.stopped_reason
        )

    @property
    def complete(self) -> bool:
        """Sound, and all that the topic held has been landed and registered."""
        return self.sound and not self.pending and not self.unregistered


@dataclass(frozen=True)
class Reconciliation:
    """The results of all partitions."""

    partitions: list[PartitionResult] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return all(result.sound for result in self.partitions)

    @property
    def complete(self) -> bool:
        return all(result.complete for result in self.partitions)

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
        )
        return {
            "complete": self.complete,
            "sound": self.sound,
            "totals": {name: self.total(name) for name in names},
            "partitions": [asdict(result) for result in self.partitions],
        }


def reconcile(topics: Iterable[PartitionAccount], registered: Iterable[RegisteredAccount]) -> Reconciliation:
    """Compare what the topics hold and the lander says with what the warehouse registered."""
    accounts = {(account.topic_id, account.partition): account for account in registered}
    return Reconciliation([_compare(topic, accounts.get((topic.topic_id, topic.partition))) for topic in topics])


def _compare(topic: PartitionAccount, account: RegisteredAccount | None) -> PartitionResult:
    known = account.offsets if account else no_offsets()
    landed = np.sort(np.concatenate([known, topic.unregistered]))
    distinct = np.unique(landed)
    retained = distinct[(distinct >= max(topic.log_start, topic.start)) & (distinct < topic.scanned_to)]
    due = topic.held[(topic.held >= topic.start) & (topic.held < topic.position)]
    missing = np.setdiff1d(due, distinct, assume_unique=True)
    given_up = _within(missing, topic.gaps)
    return PartitionResult(
        topic=topic.topic,
        partition=topic.partition,
        log_start=topic.log_start,
        position=topic.position,
        held=len(topic.held),
        landed=len(landed),
        registered=len(known),
        quarantined=sum(link.quarantined for link in topic.chain),
        lost=len(missing) - given_up,
        duplicated=len(landed) - len(distinct),
        unknown=0 if topic.compacted else len(np.setdiff1d(retained, topic.held, assume_unique=True)),
        pending=int((topic.held >= topic.position).sum()),
        unregistered=len(topic.unregistered),
        expired=int((distinct < topic.log_start).sum()),
        given_up=given_up,
        chain_breaks=_chain_breaks(topic, landed),
        damaged_files=len(topic.damaged),
        stopped_reason=topic.stopped_reason,
    )


def _within(offsets: Offsets, ranges: Iterable[tuple[int, int]]) -> int:
    return sum(int(((offsets >= start) & (offsets < end)).sum()) for start, end in ranges)


def _chain_breaks(topic: PartitionAccount, landed: Offsets) -> int:
    """Links that do not join, and links whose counted records are not what landed of their range."""
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
