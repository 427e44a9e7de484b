"""The whole stack from the wheel: as a plain account, without Maven, in paths with spaces."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from headrace.contracts.settings import Settings
from headrace.stack.kafka.jars import BUNDLES
from headrace.stack.kafka.java import find_java
from tests.wheel.conftest import User

_DEMO_SECONDS = 600


def test_the_demo_runs_from_the_wheel_without_maven(user: User, place: Path, free_port_base: Callable[[], int]) -> None:
    repository, programs = place / "maven repository", place / "programs"
    for bundle in BUNDLES:
        for path in bundle.paths():
            jar = repository / path
            jar.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.folder / jar.name, jar)
    programs.mkdir()
    (programs / "java").symlink_to(shutil.which(find_java(Settings()).command) or "")
    variables = {
        "HEADRACE_MAVEN_REPOSITORY": str(repository),
        "HEADRACE_PORT_BASE": str(free_port_base()),
        "PATH": str(programs),
    }
    before = _files(user.installation.environment)
    for command in ("setup", "demo"):
        done = user.run("headrace", command, variables=variables, timeout=_DEMO_SECONDS)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "All counts agree" in done.stdout
    assert _files(user.installation.environment) == before
    assert {each.name for each in user.home.iterdir()} == {".cache"}
    assert {each.name for each in (user.home / ".cache").iterdir()} == {"headrace"}


def _files(folder: Path) -> set[str]:
    return {os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names}  # noqa: PTH118
