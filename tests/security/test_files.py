"""Another account can read nothing in a running home, and a stack keeps no files elsewhere."""

import os
import stat
from pathlib import Path

from headrace.contracts.settings import Settings
from headrace.orchestration.instance.config import code_socket
from tests.security.other_account import as_nobody

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def below(folder: Path) -> list[tuple[Path, os.stat_result]]:
    found: list[tuple[Path, os.stat_result]] = []
    for path in (folder, *folder.rglob("*")):
        try:
            found.append((path, path.lstat()))
        except FileNotFoundError:
            continue  # a running stack replaces files
    return found


def test_nothing_in_a_running_home_is_another_accounts(attacked: Settings) -> None:
    everything = below(attacked.root)
    folders = {path.name for path, found in everything if stat.S_ISDIR(found.st_mode)}
    assert {"secrets", "logs", "kafka", "postgres", "dagster"} <= folders, "the stack has run"
    open_to_others = [
        (str(path), oct(found.st_mode))
        for path, found in everything
        if not stat.S_ISLNK(found.st_mode) and found.st_mode & OTHERS
    ]
    assert open_to_others == []


def test_sockets_and_temporary_files_of_the_stack_are_its_own(attacked: Settings) -> None:
    socket = code_socket(attacked)
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert as_nobody("ls", str(socket.parent)).returncode != 0


def test_another_account_lists_and_reads_nothing_of_the_home(attacked: Settings) -> None:
    for path in (attacked.root, attacked.secrets, attacked.logs, attacked.root / "kafka", attacked.warehouse_file):
        assert as_nobody("ls", "-a", str(path)).stdout == ""
    names = ("pgpass", "pgpass-admin", "dagster", "serve", "metrics", "supervisor")
    read = as_nobody("cat", *(str(attacked.secrets / name) for name in names), str(attacked.root / "supervisord.conf"))
    assert (read.returncode, read.stdout) == (1, "")
