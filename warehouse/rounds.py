"""One round of a build without Dagster: everything that landed is registered, everything that reads it is built.

For a builder that stays. Which tables are built, and in which order, is as in Dagster: what reads a failed table is
left out, the others are built.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from contracts.errors import HeadraceError, Transient
from warehouse.build import BuildResult, build, register, take
from warehouse.lake import Lake
from warehouse.publish import PublishResult, publish
from warehouse.raw import raw_tables
from warehouse.staged import STAGED_TABLES
from warehouse.tables import all_tables


@dataclass
class Round:
    """What came of a round: the tables that changed, the reasons of those that failed, and what was left out.

    `stale` tells that the published file may lack something: at the start nobody knows what the last process left.
    """

    changed: list[BuildResult] = field(default_factory=list[BuildResult])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    skipped: list[str] = field(default_factory=list[str])
    published: PublishResult | None = None
    stale: bool = False


def build_round(lake: Lake, done: Round, stopping: Callable[[], bool] = lambda: False) -> None:
    """Build everything once from what changed, and publish where something did. Ends early, published, on `stopping`.

    What comes of it is added to `done`, step by step, so a round that was cut short is gone on with by another call.

    Raises:
        Transient: PostgreSQL is away.
    """
    done.failed.clear()
    done.skipped.clear()
    for raw in raw_tables():
        origins = [raw.qualified] + ([raw.quarantine] if raw.quarantine else [])
        _step(done, origins, (), lambda topic=raw.topic: register(lake, topic))
    for name in STAGED_TABLES:
        _step(done, [name], (), lambda name=name: take(lake, name))
    for table in all_tables():
        if stopping():
            break
        _step(done, [table.qualified], table.inputs, lambda name=table.qualified: build(lake, name))
    if done.stale:
        done.published = publish(lake.settings, lake)
        done.stale = False


def _step(done: Round, names: Sequence[str], inputs: Sequence[str], work: Callable[[], BuildResult]) -> None:
    if any(name in done.failed or name in done.skipped for name in inputs):
        done.skipped += names
        return
    try:
        result = work()
    except Transient:
        raise
    except HeadraceError as error:
        done.failed |= dict.fromkeys(names, str(error))
        return
    if result.inserted or result.updated or result.deleted:
        done.changed.append(result)
        done.stale = True
