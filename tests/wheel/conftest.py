"""The wheel, built from this working copy and installed into an environment of its own.

Paths have spaces, and commands run in an empty folder with an empty home, as an account that may not write into the
environment. Nothing is imported from the working copy.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
NOBODY = "65534"
_PYTHONS = (Path("/usr/local/bin/python3"), Path("/usr/bin/python3"))
"""Pythons that, unlike one in root's home, every account may run."""
_AS_NOBODY = (
    shutil.which("setpriv") or "setpriv",
    "--reuid",
    NOBODY,
    "--regid",
    NOBODY,
    "--clear-groups",
    "--inh-caps=-all",
)


@dataclass(frozen=True)
class Installation:
    """The built files, and the environment that the wheel is installed in."""

    dist: Path
    environment: Path
    for_all: bool
    """Whether every account can run it."""

    @property
    def wheel(self) -> Path:
        (found,) = self.dist.glob("*.whl")
        return found

    @property
    def sdist(self) -> Path:
        (found,) = self.dist.glob("*.tar.gz")
        return found


@dataclass(frozen=True)
class User:
    """An account in an empty folder, with a home of its own."""

    installation: Installation
    folder: Path
    home: Path

    def run(
        self, program: str, *arguments: str, variables: Mapping[str, str] | None = None, timeout: float = 60
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program of the environment, with nothing in the environment variables but what is given here."""
        wrapper = _AS_NOBODY if self.installation.for_all else ()
        return subprocess.run(
            [*wrapper, str(self.installation.environment / "bin" / program), *arguments],
            cwd=self.folder,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **(variables or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A folder with a short path that every account may enter, since sockets have their place in it."""
    place = Path(tempfile.mkdtemp(prefix="hr "))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="session")
def installation(place: Path) -> Installation:
    dist, environment = place / "dist", place / "env"
    python = next(filter(_is_for_all, _PYTHONS), None) if os.geteuid() == 0 else None
    build(REPOSITORY, dist, "sdist", "wheel")
    uv = Path(sys.executable).with_name("uv")
    _run(uv, "venv", "--quiet", "--python", python or sys.executable, environment)
    install = (uv, "pip", "install", "--quiet", "--python", environment / "bin" / "python")
    _run(*install, "--constraint", REPOSITORY / "requirements.lock", *dist.glob("*.whl"))
    return Installation(dist, environment, for_all=python is not None)


@pytest.fixture
def user(installation: Installation, place: Path) -> Iterator[User]:
    folder, home = place / "a folder", place / "a home"
    for each in (folder, home):
        each.mkdir()
        if installation.for_all:
            os.chown(each, int(NOBODY), int(NOBODY))
    yield User(installation, folder, home)
    shutil.rmtree(folder)
    shutil.rmtree(home)


def build(source: Path, dist: Path, *kinds: str) -> None:
    """Build the files of a release with what is installed here."""
    targets = [part for kind in kinds for part in ("-t", kind)]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(dist), *targets],
        cwd=source,
        capture_output=True,
        check=True,
    )


def _is_for_all(python: Path) -> bool:
    """Whether it is new enough, and every account may enter its folder."""
    if not python.is_file() or any(not folder.stat().st_mode & 0o001 for folder in python.resolve().parents):
        return False
    new_enough = "import sys; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([python, "-c", new_enough], check=False).returncode == 0


def _run(*command: Path | str) -> None:
    run = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, umask=0o022)
    assert run.returncode == 0, run.stderr
