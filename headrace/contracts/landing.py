"""The interface between stream and batch: the content of landed files, their paths, and landing commits.

A topic's events land as its contract's columns and the columns below. A record that is not a valid event lands in the
topic's quarantine, with its raw bytes. Dead-letter topics land as raw bytes.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path, PurePosixPath
from uuid import UUID, uuid5

import pyarrow as pa

from headrace.contracts.fields import fields_of
from headrace.contracts.topic import Topic

QUARANTINE_SUFFIX = ".quarantine"
FILE_TIME_FORMAT = "%Y%m%dT%H%M%SZ"

RECORD_FIELDS: tuple[pa.Field, ...] = (
    pa.field(
        "_topic_id",
        pa.string(),
        metadata={
            "description": "Kafka's id of the topic; a different id if records were lost or the topic was recreated."
        },
    ),
    pa.field("_partition", pa.int32(), metadata={"description": "Partition of the record."}),
    pa.field("_offset", pa.int64(), metadata={"description": "Offset of the record in its partition."}),
    pa.field("_key", pa.binary(), metadata={"description": "The record's key."}),
    pa.field(
        "_headers",
        pa.list_(pa.struct([pa.field("key", pa.string()), pa.field("value", pa.binary())])),
        metadata={"description": "The record's headers, in order; empty if there were none."},
    ),
    pa.field("_is_tombstone", pa.bool_(), metadata={"description": "The record had a null value."}),
    pa.field(
        "_kafka_time",
        pa.timestamp("us", tz="UTC"),
        metadata={"description": "When the record arrived: the time when the broker appended it."},
    ),
    pa.field("_landed_at", pa.timestamp("us", tz="UTC"), metadata={"description": "When the lander wrote the file."}),
)
_VALUE = pa.field("_value", pa.binary(), metadata={"description": "The record's value, unchanged."})
_REASON = pa.field("_reason", pa.string(), metadata={"description": "Why the record is not a valid event."})

RAW_SCHEMA = pa.schema([_VALUE, *RECORD_FIELDS])
"""Landing schema of dead-letter topics."""
QUARANTINE_SCHEMA = pa.schema([_VALUE, _REASON, *RECORD_FIELDS])


@cache
def landing_schema(topic: Topic) -> pa.Schema:
    """Schema of a topic's landed files. All columns are nullable: a tombstone has none of the contract's fields."""
    if topic.contract is None:
        return RAW_SCHEMA
    columns = [
        pa.field(field.name, field.arrow_type, metadata={"description": field.description})
        for field in fields_of(topic.contract)
    ]
    return pa.schema([*columns, *RECORD_FIELDS])


def quarantine_name(topic: str) -> str:
    """The name of a topic's quarantine in paths and in the warehouse."""
    return topic + QUARANTINE_SUFFIX


def landing_path(folder: str, created_at: datetime, unique: str) -> PurePosixPath:
    """Path of a landed file below the landing root, partitioned by ingestion time: old events create no new folders.

    The name starts with the creation time by PostgreSQL's clock, from which maintenance derives the age of an orphan.
    """
    utc = created_at.astimezone(UTC)
    return PurePosixPath(
        folder, f"dt={utc:%Y-%m-%d}", f"hr={utc:%H}", f"{utc.strftime(FILE_TIME_FORMAT)}-{unique}.parquet"
    )


@dataclass(frozen=True)
class PartitionRange:
    """Offsets `first` to `next - 1` of one partition, of which `rows` landed and `quarantined` went to quarantine.

    Fewer records than offsets is normal: transaction markers and compaction leave gaps. `log_id` identifies the
    partition's log (`log_id` in `landing.sql`). `fingerprint` covers all its records, `last_record` the last one
    (`headrace.streaming.landing.fingerprints`). `leader_epoch` is that of the last record, if the broker sends one.
    """

    partition: int
    first: int
    next: int
    rows: int
    quarantined: int
    log_id: UUID
    fingerprint: bytes
    last_record: bytes
    leader_epoch: int | None


def log_id(topic_id: UUID, partition: int, truncations: int) -> UUID:
    """The id of a partition's log after the broker has lost its end `truncations` times; initially the topic's id."""
    return uuid5(topic_id, f"{partition}/{truncations}") if truncations else topic_id


@dataclass(frozen=True)
class LandedFile:
    """A file as a landing commit names it: its path below the landing root, its rows, its size in bytes, and the
    SHA-256 of its content."""

    path: str
    rows: int
    bytes: int
    sha256: str

    def damage(self, root: Path) -> str | None:
        """What is wrong with the file, as a phrase that follows its name; None if it is intact."""
        path = root / self.path
        if not path.is_file():
            return "is missing"
        content = path.read_bytes()
        if len(content) != self.bytes:
            return f"has {len(content)} bytes, not {self.bytes} as committed"
        if hashlib.sha256(content).hexdigest() != self.sha256:
            return "has other content than was committed: its SHA-256 differs"
        return None


@dataclass(frozen=True)
class LandingCommit:
    """One committed flush of one topic: the ranges it covers and the files that contain them."""

    topic: str
    topic_id: UUID
    ranges: tuple[PartitionRange, ...]
    landed: LandedFile | None
    quarantined: LandedFile | None
