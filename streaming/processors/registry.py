"""All processors by name, in topological order: the classes in `processors/*.py` of the active packages."""

from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from headrace.contracts import packages
from headrace.contracts.errors import Terminal
from headrace.contracts.package_things import classes_of, things
from headrace.contracts.packages import Package
from headrace.models.registry.current_scorer import CurrentScorer
from headrace.streaming.runtime.processing.processor import Processor

_DECLARATION = ("name", "inputs", "output", "process")


def all_processors() -> Mapping[str, type[Processor]]:
    """The processors; one that reads what another one writes comes after it.

    Raises:
        Terminal: two have the same name.
    """
    return _composed(packages.active())


@cache
def _composed(_active: tuple[Package, ...]) -> Mapping[str, type[Processor]]:
    found = things("processor", "processors", _declared)
    ordered: dict[str, type[Processor]] = {}
    seen: set[str] = set()

    def place(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        for other, each in found.items():
            if each.output in found[name].inputs:
                place(other)
        ordered[name] = found[name]

    for name in found:
        place(name)
    return ordered


def processor_of(name: str) -> type[Processor]:
    """The processor of this name. Raises `Terminal` if there is none."""
    found = all_processors()
    if name not in found:
        raise Terminal(
            f"There is no processor {name}.",
            remedy=f"There are: {', '.join(found)}." if found else "Write one: docs/how-to/add-a-processor.md.",
        )
    return found[name]


def scorer_of(processor: type[Processor]) -> CurrentScorer[Any] | None:
    """The model that scores for a processor, by its attribute `model`; None if it has none."""
    return getattr(processor, "model", None)


def _declared(module: ModuleType) -> Iterator[tuple[str, type[Processor]]]:
    for each in classes_of(module, *_DECLARATION):
        yield each.name, each
