"""The files of unit tests: `tests/*.yaml` of a package. docs/how-to/test-tables-and-processors.md has the format.

YAML is read by the rules of version 1.2: only `true` and `false` are booleans, so that `NO` stays Norway; dates and
times are text, and `007` keeps its zeros. No tag creates an object.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import yaml

from headrace.contracts.errors import Terminal
from headrace.contracts.example_events import require_known

REVIEW = "# review: written by `headrace test --update`"
"""The comment on what `--update` wrote. Remove it when the rows are right."""
PARTS = ("expect", "quarantine", "dead_letters", "drops")
"""What a test expects: rows or events; of a table, rows of its quarantine; of a processor, dead letters and drops."""
_TEXT, _ROWS, _GROUPS, _COUNTS = "a text", "a list of rows", "rows by name", "numbers by reason"
_SHAPES = {
    "name": _TEXT,
    "table": _TEXT,
    "processor": _TEXT,
    "now": _TEXT,
    "given": _GROUPS,
    "expect": _ROWS,
    "quarantine": _ROWS,
    "dead_letters": _ROWS,
    "drops": _COUNTS,
}
_OF_TABLES = ("name", "table", "given", "expect", "quarantine")
_OF_PROCESSORS = ("name", "processor", "now", "given", "expect", "dead_letters", "drops")


@dataclass(frozen=True)
class UnitTest:
    """One test. `places` has the first and the last line, from 0, of each part in the file, and its column."""

    path: Path
    line: int
    name: str
    kind: str
    """`table` or `processor`."""
    subject: str
    given: dict[str, list[dict[str, Any]]]
    expected: dict[str, Any]
    now: str | None
    places: dict[str, tuple[int, int, int]]
    needs_review: bool = False

    @property
    def where(self) -> str:
        """File and line, from the current folder if the file is in it."""
        path, here = self.path.resolve(), Path.cwd()
        return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{self.line}"


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema, with exact decimals."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's attribute


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$"), ["~", "n", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), ["t", "f"])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]*)$"), list("-0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"),
    list("-0123456789"),
)
_Loader.add_constructor("tag:yaml.org,2002:float", lambda _loader, node: Decimal(str(node.value)))


def read(path: Path) -> list[UnitTest]:
    """The tests of a file.

    Raises:
        Terminal: the file is not YAML, or not of the form above.
    """
    text = path.read_text(encoding="utf-8-sig")
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            document: Any = None if root is None else loader.construct_document(root)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise Terminal(f"{path} is not YAML: {_problem(error)}.", remedy="Correct the file.") from error
    tests = cast("dict[str, Any]", document).get("unit_tests") if isinstance(document, dict) else None
    if not isinstance(tests, list) or not isinstance(root, yaml.MappingNode):
        raise Terminal(f"{path} has no list `unit_tests`.", remedy="Begin the file with `unit_tests:`.")
    (nodes,) = [value for key, value in root.value if key.value == "unit_tests"]
    lines = text.splitlines()
    return [_test(path, value, node, lines) for value, node in zip(cast("list[Any]", tests), nodes.value, strict=True)]


def duplicates(tests: Sequence[UnitTest]) -> list[str]:
    """Names that several tests of one subject have."""
    names = [(test.subject, test.name) for test in tests]
    return sorted({f"{subject}: {name}" for subject, name in names if names.count((subject, name)) > 1})


def _test(path: Path, value: Any, node: yaml.Node, lines: Sequence[str]) -> UnitTest:
    where = f"{path}:{node.start_mark.line + 1}"
    if not isinstance(value, dict) or not isinstance(node, yaml.MappingNode):
        raise Terminal(f"{where}: a test has `name`, `table` or `processor`, `given` and `expect`.", remedy="")
    test = cast("dict[str, Any]", value)
    kind = "processor" if "processor" in test else "table"
    require_known(test, _OF_PROCESSORS if kind == "processor" else _OF_TABLES, f"{where}: a test of a {kind}", "key")
    if missing := [each for each in ("name", kind) if each not in test]:
        raise Terminal(f"{where}: the test lacks `{'` and `'.join(missing)}`.", remedy="Add it.")
    for key, part in test.items():
        _check(where, key, part)
    places = {key.value: _lines(key, item, lines) for key, item in node.value if key.value in PARTS}
    return UnitTest(
        path=path,
        line=node.start_mark.line + 1,
        name=str(test["name"]),
        kind=kind,
        subject=str(test[kind]),
        given={name: rows or [] for name, rows in (test.get("given") or {}).items()},
        expected={part: test[part] or ({} if part == "drops" else []) for part in PARTS if part in test},
        now=test.get("now"),
        places=places,
        needs_review=any("# review:" in lines[first] for first, _, _ in places.values()),
    )


def _lines(key: yaml.Node, value: yaml.Node, lines: Sequence[str]) -> tuple[int, int, int]:
    """First and last line of a key with its value, and the column of the key."""
    last = value.end_mark.line
    # A block ends where the next token begins: after it are blank lines and comments.
    while last > key.start_mark.line and (
        last >= len(lines)
        or not lines[last][: value.end_mark.column if last == value.end_mark.line else None].strip()
        or lines[last].lstrip().startswith("#")
    ):
        last -= 1
    return key.start_mark.line, last, key.start_mark.column


def _check(where: str, key: str, part: Any) -> None:
    shape = _SHAPES[key]
    rows = part or []
    fits = {
        _TEXT: isinstance(part, str),
        _ROWS: isinstance(rows, list) and all(isinstance(row, dict) for row in rows),
        _GROUPS: isinstance(part, dict | None) and all(isinstance(of, list | None) for of in (part or {}).values()),
        _COUNTS: isinstance(part, dict | None) and all(isinstance(of, int) for of in (part or {}).values()),
    }
    if not fits[shape]:
        raise Terminal(f"{where}: `{key}` is not {shape}.", remedy="Correct the test.")


def _problem(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem} in line {error.problem_mark.line + 1}"
    return str(error).splitlines()[0]
