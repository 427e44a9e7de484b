"""Packages: folders with the things of one domain, which are found by convention, without a registry.

A package has topics in `topics/`, tables in `warehouse/core/` and `warehouse/marts/`, and so on; the module that
composes a kind of thing says where it looks. Active are the built-in cases that the setting `cases` names, every
installed package with an entry point in the group `headrace.packages`, and the project: the folder with
`headrace.toml`. Their modules are imported by name, so nothing in the core imports a package.

A project's modules are `headrace_project.<folder>.<file>`. Its folders need no `__init__.py`, and none of them is put
on the path where they could hide another module.
"""

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

from headrace.contracts.errors import Terminal
from headrace.contracts.setting_sources import require_own
from headrace.contracts.settings import Settings

CASES = "headrace.cases"
GROUP = "headrace.packages"
"""The group of entry points. The name of one is the package's name, its value the package's module."""
PROJECT = "headrace_project"
"""The module that a project's folder is imported as."""
CORE = "operations"
"""The domain of what belongs to no package: the tables on all topics."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")

T = TypeVar("T")


@dataclass(frozen=True)
class Package:
    """One package. `name` is the domain of its things, `module` what its folder is imported as."""

    name: str
    folder: Path
    module: str

    @property
    def is_project(self) -> bool:
        return self.module == PROJECT


@dataclass(frozen=True)
class Claim(Generic[T]):
    """A thing that has a name by which it is found. `package` is None for one of the core; `place` is its file."""

    name: str
    package: Package | None
    place: str
    thing: T


@dataclass(frozen=True)
class _Active:
    packages: tuple[Package, ...]
    replaced: frozenset[str]
    without: frozenset[Path] = frozenset()


_set: list[_Active] = []


def active() -> tuple[Package, ...]:
    """The active packages: cases, installed ones by name, the project.

    Raises:
        Terminal: a package is not there, or two have one name.
    """
    return _current().packages


def replaced() -> frozenset[str]:
    """The names of topics and tables that the project replaces."""
    return _current().replaced


@contextmanager
def using(*packages: Package, replaced: Iterable[str] = (), without: Iterable[Path] = ()) -> Iterator[None]:
    """Other active packages, for tests, or the same without some files, for `headrace check`.

    What a module composed when it was imported, as `TOPICS`, stays.
    """
    _set.append(_Active(packages, frozenset(replaced), frozenset(without)))
    _forget_project()
    for each in filter(lambda package: package.is_project, packages):
        project(each.folder)
    try:
        yield
    finally:
        _set.pop()
        _forget_project()


def _forget_project() -> None:
    for name in [name for name in sys.modules if name == PROJECT or name.startswith(f"{PROJECT}.")]:
        del sys.modules[name]


def files(package: Package, folder: str, suffix: str) -> tuple[Path, ...]:
    """The files in a folder of a package, such as `warehouse/core`, by name. Those that start with `_` or `.` are left
    out.

    Raises:
        Terminal: a file of a project belongs to another account.
    """
    within = package.folder / folder
    if not within.is_dir():
        return ()
    named = sorted(path for path in within.iterdir() if path.name.endswith(suffix))
    without = _current().without
    found = tuple(
        path for path in named if not path.name.startswith(("_", ".")) and path.is_file() and path not in without
    )
    if package.is_project:
        for path in found:
            require_own(path)
    return found


def modules(package: Package, folder: str) -> Iterator[ModuleType]:
    """The modules in a folder of a package, imported.

    Raises:
        Terminal: one cannot be imported, or a file of a project belongs to another account.
    """
    for path in files(package, folder, ".py"):
        yield _imported(".".join((package.module, *folder.split("/"), path.stem)), path)


def _imported(name: str, path: Path) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Terminal as error:
        raise Terminal(f"{path}: {error.message}", remedy=error.remedy) from error
    except Exception as error:
        raise Terminal(f"{path} cannot be imported: {type(error).__name__}: {error}.", remedy="Correct it.") from error


def by_name(kind: str, claims: Iterable[Claim[T]]) -> dict[str, T]:
    """The things by name, without those that the project replaces.

    Raises:
        Terminal: two claim one name.
    """
    replaced = _current().replaced
    found: dict[str, Claim[T]] = {}
    for claim in claims:
        if claim.name in replaced and not (claim.package and claim.package.is_project):
            continue
        other = found.setdefault(claim.name, claim)
        if other is not claim:
            raise Terminal(
                f"There are two {kind}s with the name {claim.name}: {other.place} and {claim.place}.",
                remedy=f'Rename one of them, or replace the first by `replace = ["{claim.name}"]` in headrace.toml.',
            )
    return {name: claim.thing for name, claim in found.items()}


def _current() -> _Active:
    return _set[-1] if _set else _discovered()


@cache
def _discovered() -> _Active:
    settings = Settings()
    found = [_case(name) for name in dict.fromkeys(settings.cases)]
    found += [_installed(each) for each in sorted(entry_points(group=GROUP), key=lambda each: each.name)]
    if settings.project is not None:
        found.append(project(settings.project))
    for number, package in enumerate(found):
        for other in found[:number]:
            if package.name == other.name:
                raise Terminal(
                    f"Two packages have the name {package.name}: {other.folder} and {package.folder}.",
                    remedy="Rename a folder, uninstall a package, or leave a case out of the setting `cases`.",
                )
    return _Active(tuple(found), frozenset(settings.replace))


def case_names() -> tuple[str, ...]:
    """The names of the built-in cases."""
    return tuple(path.parent.name for path in sorted(_folder(CASES).glob("*/__init__.py")))


def _case(name: str) -> Package:
    if name not in case_names():
        raise Terminal(
            f"There is no case {name}.", remedy=f"Correct the setting `cases`; there are {', '.join(case_names())}."
        )
    return Package(name, _folder(f"{CASES}.{name}"), f"{CASES}.{name}")


def _installed(entry: EntryPoint) -> Package:
    distribution = entry.dist.name if entry.dist is not None else "an unknown distribution"
    if not _NAME.fullmatch(entry.name) or entry.name == CORE:
        raise Terminal(
            f"{entry.name!r}, from {distribution}, is no name of a package.", remedy=f"Uninstall {distribution}."
        )
    return Package(entry.name, _folder(entry.value), entry.value)


def _folder(module: str) -> Path:
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise Terminal(f"The package {module} is not installed.", remedy="Install it again, or uninstall it.")
    return Path(spec.submodule_search_locations[0])


def project(folder: Path) -> Package:
    """The package of a project, whose modules can then be imported. Its name is that of the folder."""
    if PROJECT not in sys.modules:
        spec = ModuleSpec(PROJECT, loader=None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        sys.modules[PROJECT] = importlib.util.module_from_spec(spec)
        importlib.invalidate_caches()  # files that were written a moment ago are found
    name = re.sub(r"[^a-z0-9]+", "_", folder.name.lower()).strip("_")
    return Package(name if _NAME.fullmatch(name) and name != CORE else "project", folder, PROJECT)
