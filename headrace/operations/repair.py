"""Rewrites damaged landed files from Kafka, registered or not, and updates the lake's catalog."""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from headrace.contracts.errors import Terminal
from headrace.contracts.landing import QUARANTINE_SUFFIX, LandedFile
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.landing.repair import rewrite
from headrace.streaming.runtime.health import require_broker
from headrace.warehouse.ingest import raw, unregistered_files
from headrace.warehouse.ingest.landed_files import files_named
from headrace.warehouse.lake import Lake, missing_files


def repair(settings: Settings, topics: Iterable[str] = tuple(TOPICS)) -> Iterator[LandedFile]:
    """Rewrite every damaged file of these topics; yields each repaired file. Builds wait meanwhile.

    Raises:
        Transient: Kafka or PostgreSQL is unavailable.
        Terminal: Kafka no longer has a file's records.
    """
    require_broker(settings)
    with Lake.open(settings) as lake, lake.lock.held():
        # Missing files of DuckLake are removed from the catalog; the next build rebuilds them from the remaining data.
        lake.take_out_missing_files()
        yield from _restored(settings, lake)
        for topic in topics:
            for file in raw.damaged_landed_files(lake, topic):
                raw.require_same_columns(lake, topic, settings.landing_root / file.path)
                written = rewrite(settings, file.path)
                # Until the lake also has the new size, the file counts as damaged and is rewritten.
                raw.refit(lake, settings.landing_root / written.path, written.bytes)
                yield written


def _restored(settings: Settings, lake: Lake) -> Iterator[LandedFile]:
    """Files that are not in the catalog: rewritten unless restored from a backup, and registered."""
    for name, table, rows in (*missing_files.taken_out(lake.postgres()), *unregistered_files.listed(lake)):
        path = Path(name)
        if not path.is_relative_to(settings.landing_root):
            raise Terminal(
                f"{path}, with {rows:,} rows of {table}, is missing, and was merged from several landed files.",
                remedy="Restore it from a backup, then run `headrace landing repair` again.",
            )
        file = _whole(settings, lake, str(path.relative_to(settings.landing_root)))
        raw.put_entries_back(lake, path)
        raw.put_back(lake, file)
        raw.refit(lake, path, file.bytes)
        yield file


def _whole(settings: Settings, lake: Lake, path: str) -> LandedFile:
    """The landed file at this path below the landing root, rewritten if it differs from its commit."""
    topic = PurePosixPath(path).parts[0].removesuffix(QUARANTINE_SUFFIX)
    for file in files_named(lake.postgres(), topic, [path]):
        if file.damage(settings.landing_root) is None:
            return file
    return rewrite(settings, path)
