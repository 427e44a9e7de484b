"""Prefetches the builds of a run: builds all requested tables that are ready in one transaction.

A run builds one table after the other. Most of the cost of a small build is the same for one table as for ten, so the
first request also builds every wanted table whose inputs are up to date; later requests return those results. If the
joint build fails, each table is built alone when it is requested, to find the one that fails.
"""

from collections.abc import Callable, Collection, Sequence

from contracts.errors import HeadraceError, Transient
from warehouse.build import BuildResult, build, build_together, load, register, register_together
from warehouse.ingest.raw import raw_table, raw_tables
from warehouse.lake import Lake
from warehouse.tables import all_tables


class Ahead:
    """The builds of one run, in this process. `wanted` are the names of all tables that the run builds."""

    def __init__(self, lake: Lake, wanted: Collection[str]) -> None:
        self._lake = lake
        self._topics = [raw.topic for raw in raw_tables() if raw.qualified in wanted]
        self._quarantines = {raw.qualified: raw.quarantine for raw in raw_tables() if raw.qualified in wanted}
        self._waiting: set[str | None] = {*wanted, *self._quarantines.values()}
        """Tables that are not up to date yet; a topic's quarantine is registered with its records."""
        self._ready: dict[str, BuildResult] = {}
        """Results of tables that are built but not requested yet."""

    def register(self, topic: str) -> BuildResult:
        """Same as `warehouse.build.register`."""
        name = raw_table(topic).qualified
        if name not in self._ready:
            found = self._together(topic, self._topics, register_together, register)
            self._topics = []
            for result in found:
                self._note(result)
        return self._ready.pop(name)

    def load(self, name: str) -> BuildResult:
        """Same as `warehouse.build.load`."""
        result = load(self._lake, name)
        self._waiting -= {name}
        return result

    def build(self, name: str, *, full: bool) -> BuildResult:
        """Same as `warehouse.build.build`. A full build takes long, so each one has its own transaction."""
        if full:
            return build(self._lake, name, full=True)
        if name not in self._ready:
            due = [
                table.qualified
                for table in all_tables()
                if table.qualified in self._waiting and self._waiting.isdisjoint(table.inputs)
            ]
            for result in self._together(name, due, build_together, build):
                self._note(result)
        return self._ready.pop(name)

    def _note(self, result: BuildResult) -> None:
        self._ready[result.table] = result
        self._waiting -= {result.table, self._quarantines.get(result.table)}

    def _together(
        self,
        requested: str,
        due: Sequence[str],
        together: Callable[[Lake, Sequence[str]], list[BuildResult]],
        alone: Callable[[Lake, str], BuildResult],
    ) -> list[BuildResult]:
        if requested in due and len(due) > 1:
            try:
                return together(self._lake, due)
            except Transient:
                raise
            except HeadraceError:
                pass
        return [alone(self._lake, requested)]
