"""The accounts that reconciliation compares: what a topic holds, what was landed and what processors did (streaming's),
and what was registered (the warehouse's).

Offsets are sorted int64 arrays, an offset that was landed twice standing in them twice.
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
    """One link of a partition's commit chain: offsets `first` to `next - 1`, of which so many were landed.

    `fingerprint` is of their records; None where it was not taken.
    """

    first: int
    next: int
    rows: int
    quarantined: int
    fingerprint: bytes | None = None


@dataclass(frozen=True)
class PartitionAccount:
    """What one log of a partition holds, by a `read_committed` scan, and what the lander says of it.

    A partition has one log, `log_id` being the topic's id, and one more each time the broker loses its end.
    `log_start` to `scanned_to` is the range retained and scanned; of a log that has lost its end, to where it was lost
    (`lost_end`). `unregistered` are the offsets in committed files that the warehouse has not registered yet;
    `damaged` names files that are missing or whose hash differs. `altered` are committed ranges that the topic holds
    other records of than landed. `set_apart` are ranges that no client can read: first offset, the offset after the
    last, records. `held` has none of these.
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

    `damaged` names files of the topic that are missing or have another size; their rows are not among `offsets`.
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
    """What a processor says it did with offsets `first` to `next - 1` of one partition. Each number counts records."""

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
    """What a topic holds of each key, and what Connect has stored of it.

    `live` is the latest record of each key that was not rejected, `gone` that of a key that ends in a tombstone.
    `rows` are the topic id and the place of each row. `vanished` are records below `committed` that became no row and
    are in no dead letter. `bounds` are the first offset retained and the end of the scan;
    below `committed` everything is delivered or rejected.
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
    """A table that is taken from what Connect delivers, against the landed copy of the same topic. Counts events.

    rejected: records landed, and rejected or set apart by Connect. missing: landed, not rejected, below the watermark
    of what was taken, and not in the table as landed. unexpected: in the table, below the watermark of what was
    landed, and not landed. pending: not taken or not landed yet.
    """

    table: str
    rows: int
    missing: int
    unexpected: int
    pending: int
    rejected: int = 0
