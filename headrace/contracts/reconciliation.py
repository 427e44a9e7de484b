"""The accounts that reconciliation compares: what a topic holds, what was landed and what processors did (from
streaming), and what was registered (from the warehouse).

Offsets are sorted int64 arrays. An offset that was landed twice is listed twice.
"""

from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]
Place = tuple[int, int]
"""A partition and an offset in it."""


def no_offsets() -> Offsets:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class CommittedRange:
    """One link of a partition's commit chain: offsets `first` to `next - 1`, and how many of them were landed.

    `fingerprint` is the fingerprint of their records; None where it was not computed.
    """

    first: int
    next: int
    rows: int
    quarantined: int
    fingerprint: bytes | None = None


@dataclass(frozen=True)
class PartitionAccount:
    """What one log of a partition holds, by a `read_committed` scan, and what the lander recorded for it.

    A partition has one log, whose `log_id` is the topic's id, and one more each time the broker loses the log's end.
    `log_start` to `scanned_to` is the range that is retained and was scanned. For a log that has lost its end
    (`lost_end`), the range ends where the loss begins. `unregistered` lists the offsets in committed files that the
    warehouse has not registered yet. `damaged` names files that are missing or whose hash differs. `altered` lists
    committed ranges for which the topic now holds other records. `set_apart` lists ranges that no client can read:
    first offset, the offset after the last, and the number of records. `held` excludes them.
    """

    topic: str
    topic_id: UUID
    partition: int
    compacted: bool
    log_start: int
    scanned_to: int
    held: Offsets
    start: int
    position: int
    chain: tuple[CommittedRange, ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()
    set_apart: tuple[tuple[int, int, int], ...] = ()
    stopped_reason: str | None = None
    unregistered: Offsets = field(default_factory=no_offsets)
    damaged: tuple[str, ...] = ()
    log_id: UUID | None = None
    lost_end: bool = False
    altered: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class RegisteredAccount:
    """What the warehouse registered of one log: landed and quarantined rows together, below `position`.

    `topic_id` is the log's id: the topic's, or one derived from it after the broker lost records.

    `damaged` names files of the topic that are missing or have another size; `offsets` excludes their rows.
    """

    topic: str
    topic_id: UUID
    partition: int
    position: int
    offsets: Offsets
    quarantined: int
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProcessorAccount:
    """What a processor recorded for offsets `first` to `next - 1` of one partition. Each number counts records."""

    processor: str
    topic: str
    topic_id: UUID
    partition: int
    first: int
    next: int
    inputs: int
    used: int
    outputs: int
    drops: dict[str, int]
    dead_letters: dict[str, int]
    notes: dict[str, int]


@dataclass(frozen=True)
class DeliveryAccount:
    """What a topic holds for each key, and what Connect has stored.

    `live` is the latest record of each key that was not rejected; `gone` is the latest record of each key that ends in
    a tombstone. `rows` has the topic id and the position of each row. `vanished` counts records below `committed` that
    are neither a row nor a dead letter. `bounds` has the first offset retained and the end of the scan. Everything
    below `committed` is delivered or rejected.
    """

    topic: str
    table: str
    topic_id: UUID
    bounds: dict[int, Place]
    committed: dict[int, int]
    live: dict[str, Place]
    gone: dict[str, Place]
    rejected: int
    rows: dict[str, tuple[UUID, Place]]
    vanished: int = 0


@dataclass(frozen=True)
class StagedAccount:
    """A table that is loaded from what Connect delivers, compared with the landed copy of the topic. Counts events.

    rejected: landed, and rejected or set apart by Connect. missing: landed, not rejected, below the watermark of the
    load, and not in the table as landed. unexpected: in the table, below the landing watermark, and not landed.
    pending: not loaded or not landed yet.
    """

    table: str
    rows: int
    missing: int
    unexpected: int
    pending: int
    rejected: int = 0
