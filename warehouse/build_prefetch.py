"""The builds of a run that requests one table after the other: each level is built when its first table is requested.

Most of the cost of a small build is the same for one table as for ten. So the first requested table is built together
with all others whose inputs are up to date, and their outcomes are kept until they are requested.
"""

from collections.abc import Collection, Iterable

from headrace.contracts.errors import HeadraceError
from headrace.warehouse.build import BuildResult, Outcome, build, build_level, load, next_level, register_level
from headrace.warehouse.ingest.raw import raw_table, raw_tables
from headrace.warehouse.lake import Lake


class BuildPrefetch:
    """The builds of one run, in this process. `wanted` are the names of all tables that the run builds."""

    def __init__(self, lake: Lake, wanted: Collection[str]) -> None:
        self._lake = lake
        self._topics = [raw.topic for raw in raw_tables() if raw.qualified in wanted]
        self._quarantines = {raw.qualified: raw.quarantine for raw in raw_tables() if raw.qualified in wanted}
        self._waiting: set[str | None] = {*wanted, *self._quarantines.values()}
        """Tables that are not up to date yet; a topic's quarantine is registered with its records."""
        self._outcomes: dict[str, Outcome] = {}
        """Outcomes of tables that were built, or failed, and are not requested yet."""
        self._failed: set[str] = set()
        """Failed tables: built again when they are requested again, and not together with others before."""

    def register(self, topic: str) -> BuildResult:
        """Same as `headrace.warehouse.build.register`."""
        name = raw_table(topic).qualified
        if name not in self._outcomes:
            topics = self._topics if topic in self._topics else [topic]
            self._topics = []
            self._keep((raw_table(each).qualified, outcome) for each, outcome in register_level(self._lake, topics))
        return self._outcome_of(name)

    def load(self, name: str) -> BuildResult:
        """Same as `headrace.warehouse.build.load`."""
        result = load(self._lake, name)
        self._waiting -= {name}
        return result

    def build(self, name: str, *, full: bool) -> BuildResult:
        """Same as `headrace.warehouse.build.build`. A full build takes long, so each one has its own transaction."""
        if full:
            return build(self._lake, name, full=True)
        if name not in self._outcomes:
            due = [each.qualified for each in next_level(self._waiting) if each.qualified not in self._failed]
            self._keep(build_level(self._lake, due if name in due else [name]))
        return self._outcome_of(name)

    def _keep(self, outcomes: Iterable[tuple[str, Outcome]]) -> None:
        for name, outcome in outcomes:
            self._outcomes[name] = outcome
            if isinstance(outcome, BuildResult):
                self._waiting -= {name, self._quarantines.get(name)}
            else:
                self._failed.add(name)

    def _outcome_of(self, name: str) -> BuildResult:
        outcome = self._outcomes.pop(name)
        if isinstance(outcome, HeadraceError):
            raise outcome
        return outcome
