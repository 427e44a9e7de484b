"""Step 4 of the lander: writes a table to a file that is complete and durable before it gets its final name."""

import hashlib
import os
from pathlib import Path, PurePosixPath

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.contracts.landing import LandedFile
from headrace.streaming.runtime.failpoints import failpoint

TEMPORARY_SUFFIX = ".tmp"
_SEARCHED_COLUMNS = ["event_time", "_partition", "_offset", "_landed_at"]
"""Columns with statistics, by which readers skip files. Statistics for all columns would take a third of write time."""
_DICTIONARY_BYTES = 16_384
"""If a column's dictionary exceeds this size, its values seldom repeat and a dictionary only costs time."""


def write(root: Path, path: PurePosixPath, rows: pl.DataFrame) -> LandedFile:
    """Write `rows` as Parquet to `root/path`; when this returns, it survives a power cut."""
    table = _as_arrow(rows)
    body = pa.BufferOutputStream()
    pq.write_table(
        table,
        body,
        compression="zstd",
        compression_level=1,
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        write_statistics=_SEARCHED_COLUMNS,  # pyright: ignore[reportArgumentType]
        store_schema=False,  # it would record string views, which are only polars' in-memory type
    )
    content = memoryview(body.getvalue())
    target = root / path
    temporary = target.with_name(target.name + TEMPORARY_SUFFIX)
    _make_folder(target.parent, root)
    # 4a. The content, durably, under a temporary name.
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    failpoint("landing.written")
    # 4b. The final name, then the folder's entry, durably.
    temporary.rename(target)
    _sync_folder(target.parent)
    failpoint("landing.renamed")
    return LandedFile(str(path), rows.height, len(content), hashlib.sha256(content).hexdigest())


def _as_arrow(rows: pl.DataFrame) -> pa.Table:
    """Convert without a copy where possible: Parquet's writer cannot slice string views inside lists."""
    columns = [
        series.to_arrow(compat_level=pl.CompatLevel.oldest() if series.dtype.is_nested() else pl.CompatLevel.newest())
        for series in rows.get_columns()
    ]
    return pa.Table.from_arrays(columns, names=rows.columns)


def _make_folder(folder: Path, root: Path) -> None:
    """Create the folder and make the entries of new folders durable, up to the root."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    while folder != root.parent:
        _sync_folder(folder)
        folder = folder.parent


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
