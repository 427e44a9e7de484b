"""No import cycles between modules: imports for types alone and within functions count too."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("headrace", "orchestration", "streaming", "warehouse")


def _modules() -> dict[str, Path]:
    paths = [path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    return {_name(path): ROOT / path for path in paths}


def _name(path: Path) -> str:
    """A package at the top of the repository is imported below `headrace`."""
    dotted = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    return dotted if path.parts[0] == "headrace" else f"headrace.{dotted}"


def _imports(name: str, source: str, modules: dict[str, Path]) -> set[str]:
    """The modules of ours that a module names in an import, wherever it stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{each.name}" for each in node.names}
            found |= names & modules.keys()
            found |= {node.module} if names - modules.keys() else set()
    return (found & modules.keys()) - {name}


def test_there_is_no_cycle_of_imports_between_modules_type_only_ones_included() -> None:
    modules = _modules()
    graph = {name: _imports(name, path.read_text(), modules) for name, path in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_an_import_for_types_alone_or_within_a_function_counts() -> None:
    modules: dict[str, Path] = {"a": Path(), "a.b": Path(), "c": Path()}
    source = "if TYPE_CHECKING:\n    from a import b\ndef f():\n    import c\n    from a import name\n"
    assert _imports("d", source, modules) == {"a", "a.b", "c"}
