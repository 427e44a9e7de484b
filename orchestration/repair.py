"""Damaged landed files, registered or not, are written anew from Kafka, and the lake is told."""

from collections.abc import Iterable, Iterator

from contracts.landing import LandedFile
from contracts.settings import Settings
from contracts.topics import TOPICS
from streaming.landing.repair import rewrite
from streaming.runtime.health import require_broker
from warehouse import raw
from warehouse.lake import Lake


def repair(settings: Settings, topics: Iterable[str] = tuple(TOPICS)) -> Iterator[LandedFile]:
    """Write every damaged file of these topics anew; yields each once it is whole. Builds wait meanwhile.

    Raises:
        Transient: Kafka or PostgreSQL is away.
        Terminal: Kafka does not hold a file's records any more.
    """
    require_broker(settings)
    with Lake.open(settings) as lake, lake.lock.held():
        for topic in topics:
            for damaged in raw.damaged_landed_files(lake, topic):
                written = rewrite(settings, damaged.path)
                # Until the lake knows its size too the file is found damaged, and written anew again.
                raw.refit(lake, settings.landing_root / written.path, written.bytes)
                yield written
