"""Finds the files of unit tests, and the tests that a command names."""

from collections.abc import Sequence
from pathlib import Path

from headrace.contracts.errors import Terminal
from headrace.contracts.example_events import require_known
from headrace.contracts.packages import active, files
from headrace.operations.unit_tests.files import UnitTest, duplicates, read


def test_files() -> list[Path]:
    """The files of unit tests of all active packages."""
    return [path for package in active() for path in files(package, "tests", ".yaml")]


def find(names: Sequence[str]) -> list[UnitTest]:
    """The tests of these tables, processors, files, or with these names; all tests by default.

    Raises:
        Terminal: a name is not known; a file is wrong; or two tests of one subject have the same name.
    """
    paths = [Path(name) for name in names if Path(name).suffix in (".yaml", ".yml")]
    if missing := [path for path in paths if not path.is_file()]:
        raise Terminal(f"There is no file {missing[0]}.", remedy="Give a file of unit tests, a table or a processor.")
    found = test_files()
    resolved = {path.resolve() for path in found}
    tests = [test for path in [*found, *(p for p in paths if p.resolve() not in resolved)] for test in read(path)]
    if same := duplicates(tests):
        raise Terminal(f"Two tests have one name: {'; '.join(same)}.", remedy="Give each test a name of its own.")
    if not names:
        return tests
    files = {path.resolve() for path in paths}
    others = [name for name in names if Path(name) not in paths]
    known = dict.fromkeys(each for test in tests for each in (test.subject, test.name))
    require_known(others, known, "The suite of unit tests", "test of")
    return [test for test in tests if test.path.resolve() in files or {test.subject, test.name} & set(others)]
