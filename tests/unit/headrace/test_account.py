"""What root's stack hands to the account that PostgreSQL runs as."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from headrace.stack import account


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation in a folder that no other account enters."""
    monkeypatch.setattr(account, "COPIES", tmp_path / "copies")
    folder = tmp_path / "environment" / "pginstall" / "bin"
    folder.mkdir(parents=True)
    (folder / "postgres").write_text("#!/bin/sh\n")
    (folder / "postgres").chmod(0o700)
    (folder.parent / "share").mkdir(mode=0o700)
    (folder.parent / "share" / "sample").write_text("text")
    (folder.parent / "share" / "sample").chmod(0o600)
    folder.parent.parent.chmod(0o700)
    return folder


def test_programs_that_the_account_cannot_reach_are_copied_for_every_account(programs: Path) -> None:
    account.make_reachable(programs)
    account.make_reachable(programs)
    copy = account.reachable(programs)
    assert copy != programs
    assert copy.parent.parent == account.COPIES
    assert len(list(account.COPIES.iterdir())) == 1
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (account.COPIES, *account.COPIES.rglob("*"))}
    assert {modes[name] for name in ("copies", "bin", "postgres", "share")} == {0o755}
    assert modes["sample"] == 0o644


def test_programs_that_changed_are_copied_again(programs: Path) -> None:
    before = account.reachable(programs)
    (programs / "postgres").write_text("#!/bin/sh\n# newer\n")
    assert account.reachable(programs) != before


def test_programs_that_every_account_reaches_are_used_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "SERVER", "sh")
    assert account.reachable(Path("/bin")) == Path("/bin")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands a folder to another account")
def test_the_account_enters_its_folder_below_one_that_it_cannot_enter(tmp_path: Path) -> None:
    account.ensure_account()
    home = tmp_path / "home"
    data = home / "data"
    data.mkdir(parents=True)
    home.chmod(0o700)
    (home / "secret").write_text("secret")
    (data / "own").write_text("own")
    account.give(data)
    account.give(data / "own")
    (data / "own").chmod(0o600)
    command = account.with_data(data, Path("/bin/sh"), "")
    place = command.index("/bin/sh")
    inside = 'id -un; cat "$1/own"; cat "$1/../secret"; cat "$2"; grep CapEff /proc/self/status'
    command[place:] = ["/bin/sh", "-c", inside, "sh", "/proc/self/fd/9", str(home / "secret")]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert run.stdout == f"{account.ACCOUNT}\nownCapEff:\t0000000000000000\n", run.stderr
    assert run.stderr.count("Permission denied") == 2
