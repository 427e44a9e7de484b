"""All checks of `headrace check`, in one list."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.contracts import packages
from headrace.contracts.errors import Terminal
from headrace.contracts.packages import Package
from headrace.contracts.settings import Settings
from headrace.operations.checking.code import Source, imported, processor_problems, toml_topic_problems, topic_problems
from headrace.operations.checking.problems import Problem, nearest
from headrace.operations.checking.settings import of_file, settings_problems

_CODE = ("sources", "models")
"""Folders whose files need only be importable."""


@dataclass(frozen=True)
class Report:
    """The mistakes by file and line, and how many things of each kind were checked."""

    problems: tuple[Problem, ...]
    checked: Mapping[str, int]


def check_project() -> Report:
    """Check the settings, and everything in the active packages.

    What needs topics is checked with those whose files have no mistake.
    """
    if wrong := list(settings_problems()):
        return _report(wrong, {})
    settings = Settings()
    try:
        active = packages.active()
    except Terminal as error:
        return _report([of_file(error, "cases")], {})
    problems: list[Problem] = []
    topics = _all(active, "topics", problems)
    problems += topic_problems(topics, settings.replace)
    problems += toml_topic_problems([path for each in active for path in packages.files(each, "topics", ".toml")])
    broken = {Path(each.file) for each in problems}
    with packages.using(*active, replaced=settings.replace, without=broken):
        checked = _check_rest(settings, active, problems, topics_are_complete=not broken)
    return _report(problems, checked)


def _check_rest(
    settings: Settings, active: Sequence[Package], problems: list[Problem], *, topics_are_complete: bool
) -> Mapping[str, int]:
    from headrace.contracts.topics import EVENT_TOPICS, TOPICS
    from headrace.operations.checking.declarations import mapping_problems, test_problems
    from headrace.operations.checking.tables import SqlFile, table_problems
    from headrace.streaming.sources.live import registry
    from headrace.warehouse.tables import table_files

    tables = [SqlFile.read(path, str(path)) for path in table_files()]
    problems += table_problems(tables, topics_are_complete=topics_are_complete)
    processors = _all(active, "processors", problems)
    problems += processor_problems(processors, TOPICS)
    for folder in _CODE:
        _all(active, folder, problems)
    mappings = [path for package in active for path in packages.files(package, "sources/mappings", ".toml")]
    problems += mapping_problems(mappings)
    tests = [path for package in active for path in packages.files(package, "tests", ".yaml")]
    names = {each for source in processors for each in _names(source)}
    problems += test_problems(tests, {f"{each.schema}.{each.name}" for each in tables} | names)
    for name in settings.sources:
        try:
            registry.check(settings, name)
        except Terminal as error:
            problems.append(of_file(error, "sources"))
    problems += _unknown_replaced(settings, {*TOPICS, *(f"{each.schema}.{each.name}" for each in tables)})
    return {
        "topics": len(EVENT_TOPICS),
        "tables": len(tables),
        "processors": len(names),
        "mappings": len(mappings),
        "files of unit tests": len(tests),
    }


def _all(active: Sequence[Package], folder: str, problems: list[Problem]) -> list[Source]:
    return [source for package in active for source in imported(package, folder, problems)]


def _names(source: Source) -> Iterator[str]:
    from headrace.contracts.package_things import classes_of

    for each in classes_of(source.module, "name", "process"):
        yield each.name


def _unknown_replaced(settings: Settings, known: Collection[str]) -> Iterator[Problem]:
    for name in settings.replace:
        if name not in known:
            error = Terminal(
                f"`replace` names {name}, which no package has.", remedy=nearest(name, known, "Remove the name.")
            )
            yield of_file(error, name)


def _report(problems: list[Problem], checked: Mapping[str, int]) -> Report:
    return Report(tuple(sorted(problems)), checked)
