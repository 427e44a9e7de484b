"""Step 4 of the lander: a table becomes a file that is either whole and durable or not there under its final name."""

import hashlib
import os
from pathlib import Path, PurePosixPath

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.landing import LandedFile
from streaming.runtime.failpoints import failpoint

TEMPORARY_SUFFIX = ".tmp"
_SEARCHED_COLUMNS = ["event_time", "_partition", "_offset", "_landed_at"]
"""Columns that readers skip files by. Statistics of all of them would take a third of the time of writing."""
_DICTIONARY_BYTES = 16_384
"""Where a column's dictionary grows beyond this, its values seldom repeat, and a dictionary would only cost time."""


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
        store_schema=False,  # it would say that texts are string views, which is only how polars holds them
    )
    content = memoryview(body.getvalue())
    target = root / path
    temporary = target.with_name(target.name + TEMPORARY_SUFFIX)
    _make_folder(target.parent, root)
    # 4a. The content, durably, under a name that nobody reads.
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    failpoint("landing.written")
    # 4b. The final name, and then the folder's own entry, durably.
    temporary.rename(target)
    _sync_folder(target.parent)
    failpoint("landing.renamed")
    return LandedFile(str(path), rows.height, len(content), hashlib.sha256(content).hexdigest())


def _as_arrow(rows: pl.DataFrame) -> pa.Table:
    """Without a copy where Parquet's writer allows: it cannot slice string views inside of lists."""
    columns = [
        series.to_arrow(compat_level=pl.CompatLevel.oldest() if series.dtype.is_nested() else pl.CompatLevel.newest())
        for series in rows.get_columns()
    ]
    return pa.Table.from_arrays(columns, names=rows.columns)


def _make_folder(folder: Path, root: Path) -> None:
    """Create the folder, and make the entries of new ones durable up to the root."""
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
