"""Parquet files as records, a few thousand rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.contracts.errors import Terminal
from headrace.streaming.sources.mapped.records import Record, Table

BATCH_ROWS = 2_000


def read_parquet(path: Path) -> Table:
    """The records of a Parquet file; their bytes are the row as JSON.

    Raises:
        Terminal: it is damaged (also later).
    """
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    return Table("parquet", list(file.schema_arrow.names), _records(path, file), {})


def _records(path: Path, file: pq.ParquetFile) -> Iterator[Record]:
    number = 0
    try:
        for batch in file.iter_batches(BATCH_ROWS):
            rows: list[dict[str, Any]] = batch.to_pylist()
            for row in rows:
                number += 1
                yield Record(number, msgspec.json.encode(row, enc_hook=str), row)
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> Terminal:
    return Terminal(f"{path} is a damaged Parquet file: {error}.", remedy="Copy the file again.")
