"""Each tutorial, followed from an empty folder: every command works and prints what the page shows."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headrace import stack
from headrace.contracts.setting_names import CONFIG_VARIABLE
from headrace.contracts.settings import Settings
from tests.pages import Shell

PAGES = Path(__file__).parents[2] / "docs" / "tutorials"


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder with a short path, as sockets have theirs in it."""
    folder = Path(tempfile.mkdtemp(prefix="hr-"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_every_command_of_a_tutorial_prints_what_the_page_shows(
    page: Path, folder: Path, free_port_base: Callable[[], int]
) -> None:
    base = free_port_base()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    outside = {name: value for name, value in os.environ.items() if name != CONFIG_VARIABLE}
    shell = Shell(folder, {**outside, "HEADRACE_PORT_BASE": str(base), "PATH": path})
    try:
        differing = shell.follow(page)
    finally:
        stack.down(Settings(home=shell.folder / ".headrace", port_base=base))
    assert differing == [], "\n".join(differing)
