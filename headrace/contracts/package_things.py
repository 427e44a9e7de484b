"""The things of packages that modules and files of one folder define: processors, sources, mappings.

No file lists them. `packages` says which packages are active, and refuses a name that two of them claim.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from headrace.contracts import packages
from headrace.contracts.packages import Claim

T = TypeVar("T")


def things(kind: str, folder: str, found_in: Callable[[ModuleType], Iterator[tuple[str, T]]]) -> dict[str, T]:
    """What `found_in` finds in the modules of a folder, by name, in the order of packages and files.

    Raises:
        Terminal: a module cannot be imported, or two claim one name.
    """
    return packages.by_name(kind, _claims(folder, found_in))


def _claims(folder: str, found_in: Callable[[ModuleType], Iterator[tuple[str, T]]]) -> Iterator[Claim[T]]:
    for package in packages.active():
        for module in packages.modules(package, folder):
            for name, thing in found_in(module):
                yield Claim(name, package, str(module.__file__), thing)


def named_files(kind: str, folder: str, suffix: str) -> dict[str, Path]:
    """The files with a suffix in a folder of the active packages, by name.

    Raises:
        Terminal: two claim one name.
    """
    return packages.by_name(
        kind,
        (
            Claim(path.name.removesuffix(suffix), package, str(path), path)
            for package in packages.active()
            for path in packages.files(package, folder, suffix)
        ),
    )


def classes_of(module: ModuleType, *attributes: str) -> Iterator[type[Any]]:
    """The classes that a module defines itself and that have all these attributes."""
    for value in vars(module).values():
        own = isinstance(value, type) and value.__module__ == module.__name__
        if own and all(hasattr(value, name) for name in attributes):
            yield value
