"""The live sources by name: those that `sources/*.py` of the active packages declare.

One on the Python path can also be named by `module:class`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import cast

from headrace.contracts import packages
from headrace.contracts.errors import Terminal
from headrace.contracts.package_things import classes_of, things
from headrace.contracts.packages import Package
from headrace.contracts.settings import Settings
from headrace.streaming.sources.live.source import LiveSource, Service, Source

_CLASS = ("name", "topics", "read")


def live_sources() -> Mapping[str, LiveSource]:
    """The declared live sources.

    Raises:
        Terminal: two have the same name.
    """
    return _composed(packages.active())


@cache
def _composed(_active: tuple[Package, ...]) -> Mapping[str, LiveSource]:
    return things("live source", "sources", _declared)


def configured(settings: Settings) -> list[str]:
    """The names of the sources that the stack runs.

    Raises:
        Terminal: a name that is none.
    """
    for name in settings.sources:
        require_name(name)
    return list(settings.sources)


def require_name(name: str) -> None:
    """Require that a source has this name, or that it is one on the Python path. Raises `Terminal` otherwise."""
    if name not in live_sources() and ":" not in name:
        raise _unknown(name)


def services(settings: Settings) -> dict[str, Service]:
    """The services among the sources that the stack runs."""
    found = ((name, live_sources().get(name)) for name in settings.sources)
    return {name: each.service for name, each in found if each is not None and each.service is not None}


def live_source(name: str) -> LiveSource:
    """The source of this name.

    Raises:
        Terminal: no such source.
    """
    found = live_sources().get(name)
    return _from_class(name, _on_path(name)) if found is None else found


def check(settings: Settings, name: str) -> None:
    """Check what a source needs from its settings, without starting it or writing anything.

    Raises:
        Terminal: no such source, or a setting that is missing or invalid.
    """
    live_source(name).check(settings)


def open_source(settings: Settings, name: str) -> Sequence[Source]:
    """The streams of a source, ready to be read.

    Raises:
        Terminal: no such source, or its settings do not do.
    """
    opened = live_source(name).open_sources
    if opened is None:
        raise Terminal(f"The source {name} has no streams: it receives what is sent to it.", remedy="Choose another.")
    return opened(settings)


def _declared(module: ModuleType) -> Iterator[tuple[str, LiveSource]]:
    for value in vars(module).values():
        if isinstance(value, LiveSource):
            yield value.name, value
    for each in classes_of(module, *_CLASS):
        yield each.name, _from_class(each.name, each)


def _from_class(name: str, made: Callable[[], Source]) -> LiveSource:
    return LiveSource(name, lambda _: [made()])


def _on_path(name: str) -> Callable[[], Source]:
    module, _, attribute = name.partition(":")
    if not attribute:
        raise _unknown(name)
    try:
        return cast("Callable[[], Source]", getattr(import_module(module), attribute))
    except (ImportError, AttributeError) as error:
        raise Terminal(
            f"The source {name} cannot be imported: {error}.", remedy="Name it as `module:class`, on the Python path."
        ) from error


def _unknown(name: str) -> Terminal:
    return Terminal(
        f"There is no live source {name}.",
        remedy=f"There are: {', '.join(live_sources())}; one on the Python path is named as `module:class`.",
    )
