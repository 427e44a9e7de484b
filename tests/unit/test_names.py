"""Names of tests state the guarantee, in a line that can be read."""

import ast
from pathlib import Path

MOST_CHARACTERS = 80
TESTS = Path(__file__).parents[1]


def test_no_name_of_a_test_is_longer_than_can_be_read() -> None:
    names = {
        f"{path.relative_to(TESTS)}: {node.name}"
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if len(node.name) > MOST_CHARACTERS
    }
    assert not names
