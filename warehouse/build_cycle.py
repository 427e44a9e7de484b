"""One build cycle without Dagster: registers everything that landed and builds everything that reads it.

Used by the long-running builder. Tables and their order are the same as in Dagster: tables that read a failed table
are skipped, the others are built.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

from headrace.contracts.errors import HeadraceError, Transient
from headrace.warehouse.build import BuildResult, Outcome, build_level, load, next_level, register_level
from headrace.warehouse.ingest.connect_staging import STAGED_TABLES
from headrace.warehouse.ingest.raw import raw_table, raw_tables
from headrace.warehouse.lake import Lake
from headrace.warehouse.publication.publish import PublishResult, publish
from headrace.warehouse.tables import Table, all_tables


@dataclass
class BuildCycle:
    """The result of a cycle: the tables that changed, the reasons of those that failed, and the tables skipped.

    `stale`: the published file may lack something, as at the start, when it is unknown what the last process left.
    """

    changed: list[BuildResult] = field(default_factory=list[BuildResult])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    skipped: list[str] = field(default_factory=list[str])
    published: PublishResult | None = None
    stale: bool = False


def build_cycle(lake: Lake, done: BuildCycle, stopping: Callable[[], bool] = lambda: False) -> None:
    """Build everything once from what changed, and publish the changes. On `stopping` it ends early, after publishing.

    Results are added to `done` step by step, so another call resumes a cycle that was interrupted.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    failed_before = set(done.failed)
    done.failed.clear()
    done.skipped.clear()
    # 1. What landed and what Connect delivered.
    for topic, outcome in register_level(lake, [raw.topic for raw in raw_tables()]):
        raw = raw_table(topic)
        _note(done, [raw.qualified, *([raw.quarantine] if raw.quarantine else [])], outcome)
    for name in STAGED_TABLES:
        _note(done, [name], _loaded(lake, name))
    # 2. Level by level, what reads it.
    for level in levels():
        if stopping():
            break
        left_out = {table.qualified for table in level if _unbuilt(done).intersection(table.inputs)}
        done.skipped += sorted(left_out)
        due = [table.qualified for table in level if table.qualified not in left_out]
        for name, outcome in build_level(lake, due):
            _note(done, [name], outcome)
    # 3. The published file, also where something fails: it shows which tables' rows are older than the rest.
    if done.stale or failed_before != set(done.failed):
        done.published = publish(lake.settings, lake)
        done.stale = False


@cache
def levels() -> list[list[Table]]:
    """The tables by depth: first those that read no other table, then those that read only earlier levels."""
    waiting = {table.qualified for table in all_tables()}
    found: list[list[Table]] = []
    while waiting:
        found.append(next_level(waiting))
        waiting -= {table.qualified for table in found[-1]}
    return found


def _loaded(lake: Lake, name: str) -> Outcome:
    try:
        return load(lake, name)
    except Transient:
        raise
    except HeadraceError as error:
        return error


def _unbuilt(done: BuildCycle) -> set[str]:
    return {*done.failed, *done.skipped}


def _note(done: BuildCycle, names: Sequence[str], outcome: Outcome) -> None:
    """Add the outcome of the step that builds the tables `names`."""
    if isinstance(outcome, HeadraceError):
        done.failed |= dict.fromkeys(names, str(outcome))
    elif outcome.inserted or outcome.updated or outcome.deleted:
        done.changed.append(outcome)
        done.stale = True
