"""One build cycle without Dagster: registers everything that landed and builds everything that reads it.

Used by the long-running builder. Tables and their order are the same as in Dagster: tables that read a failed table
are skipped, the others are built.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

from contracts.errors import HeadraceError, Transient
from warehouse.build import BuildResult, build, build_together, load, register, register_together
from warehouse.ingest.connect_staging import STAGED_TABLES
from warehouse.ingest.raw import raw_tables
from warehouse.lake import Lake
from warehouse.publication.publish import PublishResult, publish
from warehouse.tables import Table, all_tables


@dataclass
class Round:
    """The result of a cycle: the tables that changed, the reasons of those that failed, and the tables skipped.

    `stale` is true while the published file may be out of date, as it may be when the process starts.
    """

    changed: list[BuildResult] = field(default_factory=list[BuildResult])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    skipped: list[str] = field(default_factory=list[str])
    published: PublishResult | None = None
    stale: bool = False


def build_round(lake: Lake, done: Round, stopping: Callable[[], bool] = lambda: False) -> None:
    """Build everything once from what changed, and publish the changes. On `stopping` it ends early, after publishing.

    Results are added to `done` step by step, so another call resumes a cycle that was interrupted.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    failed_before = set(done.failed)
    done.failed.clear()
    done.skipped.clear()
    origins = {raw.topic: [raw.qualified] + ([raw.quarantine] if raw.quarantine else []) for raw in raw_tables()}
    _together(done, origins, partial(register_together, lake), partial(register, lake))
    for name in STAGED_TABLES:
        _step(done, [name], (), lambda name=name: load(lake, name))
    for level in levels():
        if stopping():
            break
        _build_level(lake, done, level)
    # After failures too: the file lists the tables whose rows are older than the rest, and since when.
    if done.stale or failed_before != set(done.failed):
        done.published = publish(lake.settings, lake)
        done.stale = False


@cache
def levels() -> list[list[Table]]:
    """The tables by depth: first those that read no other table, then those that read only earlier levels."""
    depths: dict[str, int] = {}
    found: list[list[Table]] = []
    for table in all_tables():
        depth = max((depths[name] + 1 for name in table.inputs if name in depths), default=0)
        depths[table.qualified] = depth
        found += [[]] if depth == len(found) else []
        found[depth].append(table)
    return found


def _build_level(lake: Lake, done: Round, level: Sequence[Table]) -> None:
    """Build tables that do not read each other in one transaction."""
    due = [table.qualified for table in level if not _leave_out(done, [table.qualified], table.inputs)]
    if due:
        _together(done, {name: [name] for name in due}, partial(build_together, lake), partial(build, lake))


def _together(
    done: Round,
    tables: Mapping[str, Sequence[str]],
    together: Callable[[Sequence[str]], list[BuildResult]],
    alone: Callable[[str], BuildResult],
) -> None:
    """Run the steps in one transaction, or one by one if that fails. `tables` has the tables of each step, by name."""
    try:
        results = together(list(tables))
    except Transient:
        raise
    except HeadraceError:
        for name, made in tables.items():
            _step(done, made, (), lambda name=name: alone(name))
    else:
        for result in results:
            _note(done, result)


def _step(done: Round, names: Sequence[str], inputs: Sequence[str], work: Callable[[], BuildResult]) -> None:
    if _leave_out(done, names, inputs):
        return
    try:
        result = work()
    except Transient:
        raise
    except HeadraceError as error:
        done.failed |= dict.fromkeys(names, str(error))
        return
    _note(done, result)


def _leave_out(done: Round, names: Sequence[str], inputs: Sequence[str]) -> bool:
    """Skip these tables if one of their inputs was not built; returns whether they were skipped."""
    if any(name in done.failed or name in done.skipped for name in inputs):
        done.skipped += names
        return True
    return False


def _note(done: Round, result: BuildResult) -> None:
    if result.inserted or result.updated or result.deleted:
        done.changed.append(result)
        done.stale = True
