"""`headrace init` and `headrace check`: a new project is without a mistake, and each kind of mistake is found."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace.commands.init import Template, create
from headrace.contracts.errors import Terminal

_MART = """-- grain: One row per room.
-- key: room
-- domain: my_shop
-- description: Rooms.
-- materialized: incremental_by_group
-- group_by: room
-- input core.readings affects: room
-- column room: The room.
-- column warmest: Highest temperature.
select room, max(celcius) as warmest
from core.readings
group by room
"""
_TOPIC = """from headrace.contracts.topic import event_topic
from headrace_project.topics.readings import Reading

AGAIN = event_topic("readings", Reading, key="sensor", partitions=2, days=30)
"""
_PROCESSOR = """class Watcher:
    name = "watcher"
    inputs = ("readins",)
    output = "alarms"
    state_version = 1

    def process(self, topic, records, state, now): ...
"""
_TEST = """unit_tests:
  - name: rooms
    table: marts.rooms_dayly
    given: {}
    expect: []
"""


def _check(folder: Path) -> tuple[int, dict[str, Any]]:
    run = subprocess.run(
        [sys.executable, "-m", "headrace", "check", "--json"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "HEADRACE_CASES": "ecommerce,data_science"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.stdout, run.stderr
    return run.returncode, json.loads(run.stdout)


@pytest.mark.parametrize("template", Template)
def test_a_new_project_has_no_problem_and_all_its_things(template: Template, tmp_path: Path) -> None:
    folder = tmp_path / "my-shop"
    create(folder, template)
    code, found = _check(folder)
    assert (code, found["problems"]) == (0, [])
    assert all(number > 0 for number in found["checked"].values()), found
    written = {path.relative_to(folder).parts[0] for path in folder.rglob("*") if path.is_file()}
    assert written >= {
        *("headrace.toml", "topics", "sources", "processors", "warehouse", "models", "tests", "README.md"),
        *(".env.example", ".gitignore", ".github"),
    }
    texts = [path.read_text() for path in folder.rglob("*") if path.suffix in (".md", ".sql", ".toml", ".yml")]
    assert not [text for text in texts if "PROJECT_" in text or "HEADRACE_VERSION" in text]


def test_every_kind_of_mistake_is_in_one_list(tmp_path: Path) -> None:
    folder = tmp_path / "my-shop"
    create(folder, Template.MINIMAL)
    planted = {
        "topics/broken.py": "import nothing_like_this\n",
        "topics/twice.py": _TOPIC,
        "warehouse/marts/warm.sql": _MART,
        "processors/watcher.py": _PROCESSOR,
        "models/unfinished.py": "x = 1\ndef f(:\n",
        "tests/rooms_again.yaml": _TEST,
    }
    for path, text in planted.items():
        (folder / path).write_text(text)
    with (folder / "headrace.toml").open("a") as file:
        file.write('replace = ["marts.sales_dialy"]\nsources = ["mastodon"]\n')
    mapping = folder / "sources" / "mappings" / "readings.toml"
    mapping.write_text(mapping.read_text().replace("celsius =", "celcius ="))
    code, found = _check(folder)
    assert code == 1
    shown = {
        (str(Path(each["file"]).relative_to(folder)), each["line"]): each["message"] + " " + each["remedy"]
        for each in found["problems"]
    }
    for place, words in {
        ("topics/broken.py", 1): "No module named 'nothing_like_this'",
        ("topics/twice.py", 4): "declared twice",
        ("warehouse/marts/warm.sql", 10): 'celcius" not found',
        ("processors/watcher.py", 3): "no topic readins. Did you mean readings?",
        ("models/unfinished.py", 2): "SyntaxError",
        ("tests/rooms_again.yaml", 2): "no table marts.rooms_dayly. Did you mean marts.rooms_daily?",
        ("headrace.toml", 4): "marts.sales_dialy",
        ("headrace.toml", 5): "Mastodon",
        ("sources/mappings/readings.toml", 9): "celcius",
    }.items():
        assert words in shown.get(place, ""), (place, shown)
    assert len(shown) == 9


def test_a_mistyped_setting_is_found_with_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "my-shop"
    create(folder, Template.MINIMAL)
    with (folder / "headrace.toml").open("a") as file:
        file.write("\n[landing]\nflush_row = 5\n")
    code, found = _check(folder)
    ((problem),) = found["problems"]
    assert (code, problem["line"]) == (1, 6)
    assert "landing.flush_row. Did you mean landing.flush_rows?" in problem["message"]


@pytest.mark.parametrize("name", ["My-Shop", "1shop", "-shop", "shop-", "a--b", "a_b", "a" * 41, "shop.toml", ".shop"])
def test_a_name_that_no_project_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="is not a name of a project"):
        create(tmp_path / name, Template.MINIMAL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_nothing_that_exists_is_overwritten(kind: str, tmp_path: Path) -> None:
    taken = tmp_path / "my-shop"
    if kind == "folder":
        taken.mkdir()
    elif kind == "file":
        taken.write_text("mine")
    else:
        taken.symlink_to(tmp_path / "nowhere")
    with pytest.raises(Terminal, match="exists"):
        create(taken, Template.MINIMAL)
    assert list(tmp_path.iterdir()) == [taken]
    assert kind != "file" or taken.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Terminal, match="cannot be created"):
        create(tmp_path / "file" / "my-shop", Template.MINIMAL)
