"""Secrets in files: created once, even by concurrent processes."""

import multiprocessing
import stat
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from headrace.contracts.errors import Terminal
from headrace.guard.tokens import stored_token
from headrace.stack.files import secret
from headrace.streaming.sources.pseudonyms import load_key

PROCESSES = 8


def _ask(barrier: Barrier, folder: Path, found: "multiprocessing.Queue[tuple[str, str, str]]") -> None:
    from headrace.contracts.settings import Settings

    barrier.wait()
    key = load_key(Settings(home=folder)).hex()
    found.put((stored_token(folder / "secrets" / "token"), secret(folder / "secrets", "password"), key))


def test_processes_that_start_at_once_all_get_the_same_secret(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, found = context.Barrier(PROCESSES), context.Queue()
    processes = [context.Process(target=_ask, args=(barrier, tmp_path, found)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    answers = {found.get(timeout=20) for _ in processes}
    for process in processes:
        process.join()
    assert len(answers) == 1
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(path.name for path in files) == ["password", "pseudonym_key", "pseudonym_key.fingerprint", "token"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_an_empty_secret_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    with pytest.raises(Terminal, match="is empty") as raised:
        stored_token(tmp_path / "token")
    assert "a new one is then created" in raised.value.remedy
