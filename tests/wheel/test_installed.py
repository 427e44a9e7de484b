"""`pip install headrace`: what the wheel holds, and that it needs nothing else."""

import json
import subprocess
import tarfile
import zipfile
from pathlib import Path

from tests.wheel.conftest import REPOSITORY, Installation, User, build

_LINKED = ("orchestration", "streaming", "warehouse")
"""Folders at the top that `headrace/` links to."""

_IMPORT_ALL = """
import importlib, pkgutil, sys
import headrace
names = [each.name for each in pkgutil.walk_packages(headrace.__path__, "headrace.")]
for name in names:
    importlib.import_module(name)
files = [sys.modules[name].__file__ for name in names]
assert all(file.startswith(sys.prefix) for file in files), files
print(len(names))
"""


def test_the_wheel_holds_the_one_package_with_every_file(installation: Installation) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "headrace", *_LINKED],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    tracked = {path for path in listed.stdout.splitlines() if not (REPOSITORY / path).is_symlink()}
    expected = {f"headrace/{path}" if path.partition("/")[0] in _LINKED else path for path in tracked}
    names = set(zipfile.ZipFile(installation.wheel).namelist())
    assert {name for name in names if ".dist-info/" not in name} == expected


def test_the_sdist_builds_the_same_wheel(installation: Installation, tmp_path: Path) -> None:
    with tarfile.open(installation.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert {each.name for each in source.iterdir()} == {
        *(".gitignore", "LICENSE", "PKG-INFO", "README.md", "headrace", "pyproject.toml")
    }
    build(source, tmp_path, "wheel")
    assert (tmp_path / installation.wheel.name).read_bytes() == installation.wheel.read_bytes()


def test_site_packages_gets_one_name(installation: Installation) -> None:
    (packages,) = installation.environment.glob("lib/python*/site-packages")
    record = next(packages.glob("headrace-*.dist-info/RECORD")).read_text()
    tops = {line.partition("/")[0] for line in record.splitlines() if not line.startswith("..")}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"headrace"}


def test_every_module_is_imported_from_the_wheel_with_its_dependencies_alone(user: User) -> None:
    done = user.run("python", "-c", _IMPORT_ALL, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 400


def test_commands_run_in_an_empty_folder_and_leave_nothing_behind(user: User) -> None:
    shown = user.run("headrace", "--help")
    assert (shown.returncode, "Usage: headrace" in shown.stdout) == (0, True), shown.stderr
    assert user.run("headrace", "--version").stdout.startswith("0.")
    settings = json.loads(user.run("headrace", "config", "show", "--json").stdout)
    assert settings["project"] is None
    checks = {check["name"]: check for check in json.loads(user.run("headrace", "doctor", "--json").stdout)}
    assert checks["PostgreSQL"]["verdict"] == "ok"
    assert str(user.home / ".cache" / "headrace") in checks["Kafka"]["found"]
    refused = user.run("headrace", "status")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert [*user.folder.iterdir(), *user.home.iterdir()] == []


def test_the_shell_completes_commands(user: User) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_HEADRACE_COMPLETE" in user.run("headrace", "--show-completion", shell).stdout
    typed = {"_HEADRACE_COMPLETE": "complete_bash", "COMP_WORDS": "headrace ing", "COMP_CWORD": "1"}
    assert user.run("headrace", variables=typed).stdout.split() == ["ingest"]
