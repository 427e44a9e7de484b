"""What Dagster keeps private is used in one module, and read again with each version of Dagster."""

import ast
from importlib.metadata import version
from pathlib import Path

import pytest

from headrace.orchestration.instance import config, internals

ROOM = Path(config.__file__).parents[1]
MODULES = sorted(ROOM.rglob("*.py"))


def test_dagsters_internals_were_read_from_the_installed_version() -> None:
    assert version("dagster") == internals.READ_FROM, "read each use in internals.py again, then change READ_FROM"


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "internals.py"], ids=lambda path: path.stem)
def test_no_other_module_uses_what_dagster_keeps_private(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    named = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not [name for name in (*imported, *named) if "dagster" in name and "._" in name]
