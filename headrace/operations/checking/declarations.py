"""Checks the TOML and YAML files of packages: mappings against their topics, and unit tests."""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from headrace.contracts.errors import Terminal
from headrace.operations.checking.problems import Problem, line_of, nearest, quoted_in
from headrace.operations.unit_tests.files import read
from headrace.streaming.sources.mapped.map_files import decode, open_questions, parse
from headrace.streaming.sources.mapped.plan import compile_mapping, topic_of

_PLACE = re.compile(r"(:|, line )(?P<line>\d+): ")
"""How errors state a line after the file."""
_LINE = re.compile(r"\bline (\d+)")


def mapping_problems(paths: Sequence[Path]) -> Iterator[Problem]:
    """Mappings that cannot be read, or do not fit their topic."""
    for path in paths:
        try:
            raw = parse(path.read_text(encoding="utf-8-sig"), str(path))
            mapping = decode(raw, str(path))
            topic = topic_of(None, mapping)
            if not any(open_questions(raw)):  # a mapping may ask its user
                compile_mapping(mapping, topic)
        except Terminal as error:
            yield _problem(path, error, path.stem)


def test_problems(paths: Sequence[Path], subjects: Collection[str]) -> Iterator[Problem]:
    """Unit tests that cannot be read, or whose table or processor does not exist."""
    for path in paths:
        try:
            tests = read(path)
        except Terminal as error:
            yield _problem(path, error)
            continue
        for test in tests:
            if test.subject not in subjects:
                remedy = nearest(test.subject, subjects, "Correct the name.")
                yield Problem(str(path), test.line, f"There is no {test.kind} {test.subject}.", remedy)


def _problem(path: Path, error: Terminal, *names: str) -> Problem:
    """The problem of an error about a file, at the line that the error states or that has what it quotes."""
    message = error.message
    if match := _PLACE.match(message.removeprefix(str(path))):
        line, message = int(match["line"]), message.removeprefix(str(path))[match.end() :]
    elif match := _LINE.search(message):
        line = int(match.group(1))
    else:
        keys = [part for quoted in quoted_in(message) for part in (quoted, quoted.rpartition(".")[2])]
        line = line_of(path.read_text(encoding="utf-8", errors="replace"), *keys, *_last_words(message))
    for name in (str(path), *names):
        message = message.removeprefix(f"{name}: ")
    return Problem(str(path), line, message[:1].upper() + message[1:], error.remedy)


def _last_words(message: str) -> list[str]:
    return re.findall(r"topic (\w+)", message)
