"""The tutorial of a project, followed from the wheel in an empty folder: it edits no file of this repository."""

import os
from collections.abc import Callable
from pathlib import Path

from headrace import stack
from headrace.contracts.setting_names import CONFIG_VARIABLE
from headrace.contracts.settings import Settings
from headrace.stack.kafka.jars import KAFKA
from tests.pages import Shell
from tests.wheel.conftest import REPOSITORY, Installation

_PAGE = REPOSITORY / "docs" / "tutorials" / "your-own-project.md"


def test_a_project_is_made_run_and_extended_from_the_wheel(
    installation: Installation, place: Path, free_port_base: Callable[[], int]
) -> None:
    (installation.environment / "share").mkdir(exist_ok=True)
    (installation.environment / "share" / "headrace").symlink_to(KAFKA.folder.parent)
    folder, base = place / "p", free_port_base()
    folder.mkdir()
    path = os.pathsep.join([str(installation.environment / "bin"), os.environ["PATH"]])
    outside = {name: value for name, value in os.environ.items() if name != CONFIG_VARIABLE}
    shell = Shell(folder, {**outside, "HEADRACE_PORT_BASE": str(base), "PATH": path})
    try:
        differing = shell.follow(_PAGE)
    finally:
        stack.down(Settings(home=shell.folder / ".headrace", port_base=base))
        (installation.environment / "share" / "headrace").unlink()
    assert differing == [], "\n".join(differing)
