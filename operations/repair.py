"""Damaged landed files, registered or not, are written anew from Kafka, and the lake is told."""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from contracts.errors import Terminal
from contracts.landing import QUARANTINE_SUFFIX, LandedFile
from contracts.settings import Settings
from contracts.topics import TOPICS
from streaming.landing.repair import rewrite
from streaming.runtime.health import require_broker
from warehouse.ingest import raw, unregistered_files
from warehouse.ingest.landed_files import CommittedFile, files_named
from warehouse.lake import Lake, missing_files


def repair(settings: Settings, topics: Iterable[str] = tuple(TOPICS)) -> Iterator[LandedFile]:
    """Write every damaged file of these topics anew; yields each once it is whole. Builds wait meanwhile.

    Raises:
        Transient: Kafka or PostgreSQL is away.
        Terminal: Kafka does not hold a file's records any more.
    """
    require_broker(settings)
    with Lake.open(settings) as lake, lake.lock.held():
        # What of the lake's own is gone is taken out of the catalog: the next build makes it again from the rest.
        lake.take_out_missing_files()
        yield from _restored(settings, lake)
        for topic in topics:
            for file in raw.damaged_landed_files(lake, topic):
                written = rewrite(settings, file.path)
                # Until the lake knows its size too the file is found damaged, and written anew again.
                raw.refit(lake, settings.landing_root / written.path, written.bytes)
                yield written


def _restored(settings: Settings, lake: Lake) -> Iterator[LandedFile]:
    """Files that are not in the catalog: written again unless a backup brought them back, and registered."""
    for name, table, rows in (*missing_files.taken_out(lake.postgres()), *unregistered_files.listed(lake)):
        path = Path(name)
        if not path.is_relative_to(settings.landing_root):
            raise Terminal(
                f"{path}, with {rows:,} rows of {table}, is missing, and was made of several landed files.",
                remedy="Restore it from a backup, then run `headrace landing repair` again.",
            )
        file = _whole(settings, lake, str(path.relative_to(settings.landing_root)))
        raw.put_entries_back(lake, path)
        raw.put_back(lake, file)
        raw.refit(lake, path, file.bytes)
        yield LandedFile(file.path, file.rows, file.bytes, file.sha256)


def _whole(settings: Settings, lake: Lake, path: str) -> CommittedFile:
    """The landed file at this path below the landing root, written again where it is not as committed."""
    topic = PurePosixPath(path).parts[0].removesuffix(QUARANTINE_SUFFIX)
    for file in files_named(lake.postgres(), topic, [path]):
        if file.damage(settings.landing_root) is None:
            return file
    written = rewrite(settings, path)
    return CommittedFile(written.path, written.rows, written.bytes, written.sha256)
