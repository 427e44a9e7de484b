"""Checks the Python files of packages: that each can be imported, and what topics and processors declare."""

import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from headrace.contracts import packages
from headrace.contracts.errors import HeadraceError, Terminal
from headrace.contracts.packages import Package
from headrace.contracts.toml_contracts import topic_of as topic_of_toml
from headrace.operations.checking.problems import Problem, line_of, nearest, problem_in


@dataclass(frozen=True)
class Source:
    """A Python file of a package, imported."""

    path: Path
    package: Package
    module: ModuleType

    def problem(self, message: str, remedy: str, *needles: str) -> Problem:
        """A problem at the first line that has one of the needles."""
        return Problem(str(self.path), line_of(self.path.read_text(encoding="utf-8"), *needles), message, remedy)


def imported(package: Package, folder: str, problems: list[Problem]) -> Iterator[Source]:
    """The files of a folder that can be imported; the problems of the others are added to `problems`."""
    try:
        paths = packages.files(package, folder, ".py")
    except Terminal as error:
        problems.append(Problem(str(package.folder / folder), 1, error.message, error.remedy))
        return
    for path in paths:
        try:
            yield Source(path, package, import_module(".".join((package.module, *folder.split("/"), path.stem))))
        except Exception as error:  # noqa: BLE001  any error of a file of the user is a problem of the file
            problems.append(_import_problem(path, error))


def _import_problem(path: Path, error: Exception) -> Problem:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return Problem(str(path), error.lineno or 1, f"{type(error).__name__}: {error.msg}.", "Correct the file.")
    if isinstance(error, Terminal):
        return Problem(str(path), _line_in(path, error), error.message, error.remedy)
    kind = "" if isinstance(error, HeadraceError) else f"{type(error).__name__}: "
    return Problem(str(path), _line_in(path, error), f"{kind}{error}".rstrip(".") + ".", "Correct the file.")


def _line_in(path: Path, error: Exception) -> int:
    """The line of the file where the error was raised."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return (frames[-1].lineno or 1) if frames else 1


def topic_problems(sources: Sequence[Source], replaced: Collection[str]) -> Iterator[Problem]:
    """Mistakes in what the files of `topics` declare. The registry of topics need not be importable."""
    from headrace.contracts.fields import fields_of
    from headrace.contracts.topic import NAME, Topic

    places: dict[str, Path] = {}
    seen: list[Topic] = []
    for source in sources:
        for topic in [value for value in vars(source.module).values() if isinstance(value, Topic)]:
            if any(topic is other for other in seen):  # a module may import the topic of another one
                continue
            seen.append(topic)
            if topic.name in replaced and not source.package.is_project:
                continue
            if (other := places.setdefault(topic.name, source.path)) != source.path:
                yield source.problem(
                    f"The topic {topic.name} is declared twice; the other place is {other}.",
                    f'Rename one, or replace the other by `replace = ["{topic.name}"]` in headrace.toml.',
                    f'"{topic.name}"',
                )
            if not NAME.fullmatch(topic.name):
                yield source.problem(
                    f"{topic.name!r} is no name of a topic.",
                    "Use up to 63 lower-case letters, digits and underscores, starting with a letter.",
                    f'"{topic.name}"',
                )
            if topic.contract is None:
                yield source.problem(
                    f"The topic {topic.name} has no contract.", "Name its class of events.", topic.name
                )
                continue
            try:
                fields_of(topic.contract)
            except TypeError as error:
                remedy = "Use the types of headrace.contracts.types."
                yield source.problem(f"{topic.contract.__name__}: {error}.", remedy, f"class {topic.contract.__name__}")


def toml_topic_problems(paths: Sequence[Path]) -> Iterator[Problem]:
    """Contracts in TOML that are none."""
    for path in paths:
        try:
            topic_of_toml(path.read_text(encoding="utf-8"), name=path.stem, file=str(path), domain="")
        except Terminal as error:
            yield problem_in(path, error)
        except UnicodeDecodeError:
            yield Problem(str(path), 1, "The file is not UTF-8.", "Save it as UTF-8.")


def processor_problems(sources: Sequence[Source], topics: Mapping[str, Any]) -> Iterator[Problem]:
    """Mistakes in the declarations of processors: names, and the topics that they read and write."""
    from headrace.contracts.package_things import classes_of

    places: dict[str, Path] = {}
    for source in sources:
        for each in classes_of(source.module, "process"):
            if missing := [name for name in ("name", "inputs", "output", "state_version") if not hasattr(each, name)]:
                yield source.problem(
                    f"The processor {each.__name__} lacks {', '.join(missing)}.",
                    "Add it as an attribute of the class.",
                    f"class {each.__name__}",
                )
                continue
            if (other := places.setdefault(each.name, source.path)) != source.path:
                yield source.problem(
                    f"The processor {each.name} is declared twice; the other place is {other}.",
                    "Rename one of them.",
                    each.name,
                )
            for name in (*each.inputs, each.output):
                if name not in topics:
                    yield source.problem(
                        f"{each.name}: there is no topic {name}.", nearest(name, topics, "Declare it in topics/."), name
                    )
            if each.output in each.inputs:
                yield source.problem(f"{each.name} reads its own output.", "Write to another topic.", each.output)
