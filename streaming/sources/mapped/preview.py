"""What a mapping makes of the first records of a file, without publishing any of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from headrace.streaming.sources.mapped.events import Mapper
from headrace.streaming.sources.mapped.ingest import open_mapped
from headrace.streaming.sources.mapped.plan import Plan
from headrace.streaming.sources.mapped.records import Record
from headrace.streaming.sources.outcomes import Accepted, Counts, Ignored, Rejected
from headrace.streaming.sources.pseudonyms import pseudonymizer

SCANNED_RECORDS = 100_000
"""A preview reads so many; a file may have many more."""
SHOWN = 5
_KEY = b"preview"
"""Pseudonyms in a preview only show where they will be: a preview needs no stack, and leaves nothing behind."""


@dataclass
class Preview:
    """The first events, the first rejected records, and the counts of all that were read."""

    format: str
    columns: list[str]
    counts: Counts = field(default_factory=Counts)
    events: list[Accepted] = field(default_factory=list[Accepted])
    rejected: list[Rejected] = field(default_factory=list[Rejected])
    is_whole: bool = True


def preview(path: Path, plan: Plan, shown: int = SHOWN, scanned: int = SCANNED_RECORDS) -> Preview:
    """Read up to `scanned` records; keep `shown` events, and as many rejected ones, each with another reason.

    Raises:
        Terminal: the file cannot be read, or has not the columns of the mapping.
    """
    table = open_mapped(path, plan)
    found = Preview(table.format, table.columns)
    records = _counted(table.records, found, scanned)
    for outcome in Mapper(plan, pseudonymizer(_KEY)).outcomes(records):
        match outcome:
            case Accepted():
                found.counts.accept(outcome.topic)
                if len(found.events) < shown:
                    found.events.append(outcome)
            case Rejected():
                if outcome.reason not in found.counts.rejected_reasons and len(found.rejected) < shown:
                    found.rejected.append(outcome)
                found.counts.rejected += 1
                found.counts.rejected_reasons[outcome.reason] += 1
            case Ignored():
                found.counts.ignored += 1
                found.counts.ignored_reasons[outcome.reason] += 1
    return found


def _counted(records: Iterator[Record], found: Preview, scanned: int) -> Iterator[Record]:
    yield from islice(records, scanned)
    found.is_whole = next(records, None) is None
