"""`.ci/pythons` lists the Pythons that `make setup` and CI use."""

import os
import subprocess
from pathlib import Path

PYTHONS = Path(__file__).parents[2] / ".ci/pythons"


def _python(path: Path, *, works: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{f'echo {path}' if works else 'exit 1'}\n")
    path.chmod(0o755)
    return path


def test_the_newest_python_that_can_set_up_an_environment_is_first(tmp_path: Path) -> None:
    _python(tmp_path / "bin/python3.14", works=False)
    newest = _python(tmp_path / "pyenv/versions/3.13.11/bin/python3.13")
    _python(tmp_path / "pyenv/versions/3.13.2/bin/python3.13")
    oldest = _python(tmp_path / "bin/python3.11")
    own = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "PYENV_ROOT": str(tmp_path / "pyenv"), "HOME": str(tmp_path)}
    run = subprocess.run([PYTHONS], env=os.environ | own, capture_output=True, text=True, check=True)
    assert [each for each in run.stdout.split() if str(tmp_path) in each] == [str(newest), str(oldest)]
