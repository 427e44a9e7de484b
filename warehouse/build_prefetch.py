"""Builds what a run is about to ask for: of the tables that it wants, all that can be built now, in one transaction.

A run asks for one table after the other, each in its time. Most of what a small build costs is the same for one table
as for ten; so the first that is asked for has those built with it whose inputs are up to date, and these are handed out
when their turn comes. What fails together is built alone, when it is asked for, to know which it is.
"""

from collections.abc import Callable, Collection, Sequence

from contracts.errors import HeadraceError, Transient
from warehouse.build import BuildResult, build, build_together, load, register, register_together
from warehouse.ingest.raw import raw_table, raw_tables
from warehouse.lake import Lake
from warehouse.tables import all_tables


class Ahead:
    """The builds of one run, in this process. `wanted` are the names of all tables that the run is to build."""

    def __init__(self, lake: Lake, wanted: Collection[str]) -> None:
        self._lake = lake
        self._topics = [raw.topic for raw in raw_tables() if raw.qualified in wanted]
        self._quarantines = {raw.qualified: raw.quarantine for raw in raw_tables() if raw.qualified in wanted}
        self._waiting: set[str | None] = {*wanted, *self._quarantines.values()}
        """What is not up to date yet; a topic's quarantine comes with its records."""
        self._ready: dict[str, BuildResult] = {}
        """What is built and was not asked for yet."""

    def register(self, topic: str) -> BuildResult:
        """As `warehouse.build.register`."""
        name = raw_table(topic).qualified
        if name not in self._ready:
            found = self._together(topic, self._topics, register_together, register)
            self._topics = []
            for result in found:
                self._note(result)
        return self._ready.pop(name)

    def load(self, name: str) -> BuildResult:
        """As `warehouse.build.load`."""
        result = load(self._lake, name)
        self._waiting -= {name}
        return result

    def build(self, name: str, *, full: bool) -> BuildResult:
        """As `warehouse.build.build`. A full build is long, so each is a transaction of its own."""
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
        asked: str,
        due: Sequence[str],
        together: Callable[[Lake, Sequence[str]], list[BuildResult]],
        alone: Callable[[Lake, str], BuildResult],
    ) -> list[BuildResult]:
        if asked in due and len(due) > 1:
            try:
                return together(self._lake, due)
            except Transient:
                raise
            except HeadraceError:
                pass
        return [alone(self._lake, asked)]
