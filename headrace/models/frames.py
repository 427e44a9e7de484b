"""Training frames as immutable Parquet files in the stack's home, named by their SHA-256.

`headrace.warehouse.frames` and each model define the content of a frame; here it is a table.
"""

import hashlib
import os
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from headrace.contracts.errors import Terminal
from headrace.models.artifact import FrameRecord, Name

_NAME, _AS_OF, _SNAPSHOT = "headrace.model", "headrace.as_of", "headrace.snapshot"


@dataclass(frozen=True)
class Frame:
    """The rows that a model is trained and evaluated on, in a fixed order, and the record of their file."""

    name: Name
    table: pl.DataFrame
    record: FrameRecord


def save(root: Path, name: Name, table: pl.DataFrame, *, as_of: datetime, snapshot: int | None) -> Frame:
    """Store a frame under `root`. `as_of` is the time of the latest event in the warehouse.

    The same rows at the same snapshot result in the same file.
    """
    facts = {_NAME: name, _AS_OF: as_of.astimezone(UTC).isoformat()}
    if snapshot is not None:
        facts[_SNAPSHOT] = str(snapshot)
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".{uuid.uuid4().hex}"
    try:
        table.write_parquet(aside, compression="zstd", metadata=facts)
        digest = _sha256(aside)
        path = folder / f"{digest}.parquet"
        with aside.open("rb") as handle:
            os.fsync(handle.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return Frame(name, table, _record(path, digest, table, facts))


def load(path: Path, name: Name, sha256: str | None = None) -> Frame:
    """Read a frame back.

    Raises:
        Terminal: it is missing, it is another model's, or its content does not match its name.
    """
    if not path.is_file():
        raise Terminal(f"There is no training frame {path}.", remedy="Train again from the warehouse.")
    digest = _sha256(path)
    if digest != (sha256 or path.stem):
        raise Terminal(
            f"The training frame {path} has changed since it was stored.", remedy="Restore it, or train again."
        )
    facts = pl.read_parquet_metadata(path)
    if facts.get(_NAME) != name:
        raise Terminal(f"{path} is not a training frame of {name}.", remedy="Use the frame in the model's card.")
    table = pl.read_parquet(path)
    return Frame(name, table, _record(path, digest, table, facts))


def _record(path: Path, digest: str, table: pl.DataFrame, facts: dict[str, str]) -> FrameRecord:
    return FrameRecord(
        path=str(path),
        sha256=digest,
        rows=table.height,
        as_of=datetime.fromisoformat(facts[_AS_OF]),
        snapshot=int(facts[_SNAPSHOT]) if _SNAPSHOT in facts else None,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
