"""`headrace reset --all` deletes the data of a stopped stack; a kill in between leaves no half of it."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headrace import cli, stack
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.stack import clearing, doctor
from headrace.stack.supervision import Supervisor


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with data, which is that of the current folder."""
    monkeypatch.chdir(tmp_path)
    home = tmp_path / ".headrace"
    for name in clearing.DATA:
        (home / name / "inner").mkdir(parents=True)
    (home / "secrets").mkdir()
    (home / "secrets" / "serve").write_text("token")
    (home / "own-file").touch()
    (home / "stack.lock").touch()
    return home


def kept(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir())


def reset(*arguments: str, answer: str = "") -> tuple[int, str]:
    run = CliRunner().invoke(cli.build_app(), ["reset", *arguments], input=answer)
    if isinstance(run.exception, Terminal):
        raise run.exception
    return run.exit_code, run.output


def test_all_data_are_deleted_after_a_question_and_secrets_stay(home: Path) -> None:
    before = kept(home)
    code, shown = reset("--all", answer="n\n")
    assert (code, kept(home)) == (1, before)
    assert f"deletes all data in {home}" in shown
    assert reset("--all", answer="y\n")[0] == 0
    assert kept(home) == ["own-file", "secrets", "stack.lock"]
    assert (home / "secrets" / "serve").read_text() == "token"
    assert reset("--all", "--yes")[0] == 0


@pytest.mark.parametrize("deletions", [0, 1, len(clearing.DATA) // 2, len(clearing.DATA)])
def test_a_reset_that_was_killed_is_completed_before_anything_else(
    deletions: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def until_killed(path: Path) -> None:
        if len(done) == deletions:
            raise KeyboardInterrupt
        done.append(path.name)
        shutil.rmtree(path)

    with monkeypatch.context() as patch:
        patch.setattr(clearing, "_delete", until_killed)
        patch.setattr(clearing, "_sync", lambda _: None if len(done) < len(clearing.DATA) else until_killed(home))
        with pytest.raises(KeyboardInterrupt):
            clearing.clear(home)
    assert (home / clearing.MARKER).exists()

    def examined(*_: object, **__: object) -> list[doctor.Check]:
        assert kept(home) == ["own-file", "secrets", "stack.lock"]
        raise Terminal("The checks come next.", remedy="")

    monkeypatch.setattr(doctor, "examine", examined)
    with pytest.raises(Terminal, match="checks come next"):
        stack.up(Settings(), parts={"postgres"})


def test_the_contents_of_a_linked_folder_are_deleted_and_the_link_stays(home: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    (disk / "orders").mkdir(parents=True)
    (disk / "file").touch()
    shutil.rmtree(home / "landing")
    (home / "landing").symlink_to(disk)
    clearing.clear(home)
    assert list(disk.iterdir()) == []
    assert (home / "landing").is_symlink()


def test_a_running_stack_or_servers_of_the_users_own_are_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = kept(home)
    with monkeypatch.context() as patch:
        patch.setattr(Supervisor, "answers", lambda _: True)
        with pytest.raises(Terminal, match=r"runs.*headrace down"):
            reset("--all", "--yes")
    monkeypatch.setenv("HEADRACE_KAFKA_BOOTSTRAP", "kafka.example:9092")
    with pytest.raises(Terminal, match="deletes nothing"):
        reset("--all", "--yes")
    assert kept(home) == before


@pytest.mark.parametrize("arguments", [[], ["--all", "--source", "weather"]])
def test_a_reset_needs_a_source_or_all(arguments: list[str], home: Path) -> None:
    assert reset(*arguments)[0] == 2


@pytest.mark.parametrize(("name", "message"), [("wether", "no live source wether"), ("feedback", "has no position")])
def test_a_source_without_positions_is_refused(name: str, message: str, home: Path) -> None:
    with pytest.raises(Terminal, match=message):
        reset("--source", name)
