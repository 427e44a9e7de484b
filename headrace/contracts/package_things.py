"""The things of packages: objects that modules of one folder define, found by convention and by name.

No file lists them. A name that two packages claim is refused, with both places.
"""

import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from headrace.contracts.errors import Terminal

T = TypeVar("T")


def modules(folder: str) -> Iterator[ModuleType]:
    """The modules of `folder` in every active package. Names that begin with an underscore are left to the package."""
    for case in ("ecommerce", "data_science"):
        package = import_module(f"headrace.cases.{case}.{folder}")
        for found in pkgutil.iter_modules(package.__path__):
            if not found.name.startswith("_") and not found.ispkg:
                yield import_module(f"{package.__name__}.{found.name}")


def things(kind: str, folder: str, found_in: Callable[[ModuleType], Iterator[tuple[str, T]]]) -> dict[str, T]:
    """What `found_in` finds in the modules of a folder, by name, in the order of packages and files.

    Raises:
        Terminal: two modules define the same name.
    """
    found: dict[str, T] = {}
    places: dict[str, str] = {}
    for module in modules(folder):
        for name, thing in found_in(module):
            if name in found and found[name] is not thing:
                raise Terminal(
                    f"There are two of the {kind} {name}: in {places[name]} and in {place_of(module)}.",
                    remedy="Rename one, or leave out its package.",
                )
            found[name] = thing
            places.setdefault(name, place_of(module))
    return found


def named_files(kind: str, folder: str, suffix: str) -> dict[str, Path]:
    """The files with a suffix in a folder of the active packages, by name.

    Raises:
        Terminal: two have the same name.
    """
    found: dict[str, Path] = {}
    for case in ("ecommerce", "data_science"):
        (root,) = import_module(f"headrace.cases.{case}").__path__
        for path in sorted(Path(root, folder).glob(f"*{suffix}")):
            if found.setdefault(path.stem, path) is not path:
                raise Terminal(
                    f"There are two of the {kind} {path.stem}: {found[path.stem]} and {path}.", remedy="Rename one."
                )
    return found


def classes_of(module: ModuleType, *attributes: str) -> Iterator[type[Any]]:
    """The classes that a module defines itself and that have all these attributes."""
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and value.__module__ == module.__name__
            and all(hasattr(value, a) for a in attributes)
        ):
            yield value


def place_of(module: ModuleType) -> str:
    """The place of a module, for errors."""
    return str(module.__file__ or module.__name__)
