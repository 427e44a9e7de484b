"""A temporary table is written by one module, so that no two hand rows on, or destroy each other's, by a name."""

import re
from importlib import import_module
from pathlib import Path

from headrace import warehouse

FOLDER = Path(warehouse.__file__).parent
_CREATED = re.compile(r"temp table (?:\{(?P<constant>[A-Z_]+)\}|(?P<literal>\w+)) as")


def test_a_temporary_table_has_one_owner_and_one_name_constant() -> None:
    owners: dict[str, set[str]] = {}
    for path in FOLDER.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        name = ".".join(("headrace", "warehouse", *path.relative_to(FOLDER).with_suffix("").parts))
        for created in _CREATED.finditer(text):
            assert created["literal"] is None, f"{name} writes `{created['literal']}` without a constant"
            assert re.search(rf"^[\w, ]*\b{created['constant']}\b[\w, ]* = ", text, re.MULTILINE), (
                f"{name} writes {created['constant']} of another module"
            )
            owners.setdefault(getattr(import_module(name), created["constant"]), set()).add(name)
    assert len(owners) > 10
    assert {table: found for table, found in owners.items() if len(found) > 1} == {}
