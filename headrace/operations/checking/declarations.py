"""Checks the TOML and YAML files of packages: mappings against their topics, and unit tests."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from headrace.contracts.errors import Terminal
from headrace.operations.checking.problems import Problem, nearest, problem_in
from headrace.operations.unit_tests.files import read
from headrace.streaming.sources.mapped.map_files import decode, open_questions, parse
from headrace.streaming.sources.mapped.plan import compile_mapping, topic_of


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
            yield problem_in(path, error, path.stem)


def test_problems(paths: Sequence[Path], subjects: Collection[str]) -> Iterator[Problem]:
    """Unit tests that cannot be read, or whose table or processor does not exist."""
    for path in paths:
        try:
            tests = read(path)
        except Terminal as error:
            yield problem_in(path, error)
            continue
        for test in tests:
            if test.subject not in subjects:
                remedy = nearest(test.subject, subjects, "Correct the name.")
                yield Problem(str(path), test.line, f"There is no {test.kind} {test.subject}.", remedy)
