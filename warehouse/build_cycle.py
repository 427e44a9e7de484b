"""One round of a build without Dagster: everything that landed is registered, everything that reads it is built.

For a builder that stays. Which tables are built, and in which order, is as in Dagster: what reads a failed table is
left out, the others are built.
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
    # Of what fails, too: the file says which tables' rows are older than the rest, and since when.
    if done.stale or failed_before != set(done.failed):
        done.published = publish(lake.settings, lake)
        done.stale = False


@cache
def levels() -> list[list[Table]]:
    """The tables, those first that read none of the others, then those that read the ones before them, and so on."""
    depths: dict[str, int] = {}
    found: list[list[Table]] = []
    for table in all_tables():
        depth = max((depths[name] + 1 for name in table.inputs if name in depths), default=0)
        depths[table.qualified] = depth
        found += [[]] if depth == len(found) else []
        found[depth].append(table)
    return found


def _build_level(lake: Lake, done: Round, level: Sequence[Table]) -> None:
    """Build tables that do not read each other, at once."""
    due = [table.qualified for table in level if not _leave_out(done, [table.qualified], table.inputs)]
    if due:
        _together(done, {name: [name] for name in due}, partial(build_together, lake), partial(build, lake))


def _together(
    done: Round,
    tables: Mapping[str, Sequence[str]],
    together: Callable[[Sequence[str]], list[BuildResult]],
    alone: Callable[[str], BuildResult],
) -> None:
    """Do steps in one transaction; one by one where that fails. `tables` has what each step makes, by its name."""
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
    """Skip these if something that they read was not built; returns whether that is so."""
    if any(name in done.failed or name in done.skipped for name in inputs):
        done.skipped += names
        return True
    return False


def _note(done: Round, result: BuildResult) -> None:
    if result.inserted or result.updated or result.deleted:
        done.changed.append(result)
        done.stale = True
