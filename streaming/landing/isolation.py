"""Step 3 of the lander if decoding a batch raises: bisects the batch to find the record that causes it.

That record is quarantined with its bytes, and everything else lands. So a library error for one record, including a
polars panic, affects only that record and never the partition.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from polars.exceptions import PanicException

from headrace.streaming.landing.batch import Batch, Rows, Tables, quarantined, record_columns, to_rows, with_ranges
from headrace.streaming.landing.byte_column import ByteColumn
from headrace.streaming.landing.columnar import Offender
from headrace.streaming.runtime import logs

CATEGORY = "not decodable"


def rows_of(batch: Batch) -> Rows:
    """Step 3: decode the batch, even if decoding raises for a record.

    Raises:
        MemoryError: not caused by a record.
    """
    return _rows(batch, np.arange(len(batch.values)))


def tables_of(batch: Batch) -> Tables:
    """`rows_of`, with the ranges to commit. Raises the same errors."""
    return with_ranges(batch, rows_of(batch))


def _rows(batch: Batch, places: np.ndarray) -> Rows:
    """The rows of the records at these indices of a batch."""
    part = batch if len(places) == len(batch.values) else batch.at(places)
    try:
        rows = to_rows(part)
        return replace(rows, invalid=places[rows.invalid])
    except MemoryError:
        raise
    except (Exception, PanicException) as error:  # noqa: BLE001  any library error must not stop the others
        # Only the type: the message may quote the record.
        kind = type(error).__name__
    logs.logger(part="lander").error("decoding raised", topic=batch.topic.name, kind=kind, records=len(places))
    if len(places) == 1:
        return _refused(part, places, kind)
    return _together([_rows(batch, half) for half in np.array_split(places, 2)])


def _refused(part: Batch, place: np.ndarray, kind: str) -> Rows:
    """The rows of one record that cannot be decoded."""
    try:
        records = record_columns(part)
    except (Exception, PanicException):  # noqa: BLE001
        bare = replace(part, keys=ByteColumn.of([None]), headers=[None], arrivals=np.zeros(1, np.int64))
        records = record_columns(bare)
    if part.topic.contract is None:
        landed = pl.DataFrame([pl.Series("_value", part.values.all(), dtype=pl.Binary)]).hstack(records)
        return Rows(landed, None, [], np.empty(0, np.int64), None)
    offenders = [Offender(0, CATEGORY, f"{CATEGORY}: {kind}")]
    return Rows(None, quarantined(part, records, np.zeros(1, np.int64), offenders), offenders, place, None)


def _together(parts: Sequence[Rows]) -> Rows:
    times = [part.event_times for part in parts if part.event_times is not None]
    return Rows(
        landed=_stacked(part.landed for part in parts),
        quarantined=_stacked(part.quarantined for part in parts),
        offenders=[offender for part in parts for offender in part.offenders],
        invalid=np.concatenate([part.invalid for part in parts]),
        event_times=(min(first for first, _ in times), max(last for _, last in times)) if times else None,
    )


def _stacked(frames: Iterable[pl.DataFrame | None]) -> pl.DataFrame | None:
    present = [frame for frame in frames if frame is not None]
    return pl.concat(present) if present else None
