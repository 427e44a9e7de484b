"""The local stack: it stops what it starts, reports what is missing, and two stacks do not conflict."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from headrace import stack
from headrace.contracts.errors import Terminal
from headrace.contracts.setting_names import SUPERVISED_VARIABLE
from headrace.contracts.settings import HOST, Settings
from headrace.contracts.topics import TOPICS
from headrace.stack.postgres import server_answers
from headrace.stack.supervision import Supervisor
from headrace.streaming.processors.registry import all_processors
from headrace.streaming.runtime.clients import admin
from headrace.streaming.runtime.topics import topic_ids

SERVERS = {"kafka", "postgres"}


@pytest.fixture
def new_stack(tmp_path: Path, free_port_base: Callable[[], int]) -> Iterator[Callable[..., Settings]]:
    """Call it for settings of a stack that does not exist yet; all of them are taken down at the end."""
    made: list[Settings] = []

    def make(**overrides: object) -> Settings:
        values = {"home": tmp_path / f"home{len(made)}", "port_base": free_port_base(), **overrides}
        made.append(Settings.model_validate(values))
        return made[-1]

    yield make
    for settings in made:
        stack.down(settings)


def processes_of(settings: Settings) -> list[psutil.Process]:
    """Every process that a stack started and that still runs."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(SUPERVISED_VARIABLE) == str(settings.root):
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_what_up_started_is_gone_after_down_and_its_data_is_there_after_the_next_up(
    new_stack: Callable[..., Settings],
) -> None:
    settings = new_stack()
    assert stack.up(settings, parts=SERVERS)
    with psycopg.connect(settings.conninfo(), autocommit=True) as db:
        db.execute("create table kept as select 1 as one")
    ids = topic_ids(admin(settings), TOPICS)
    assert not stack.up(settings, parts=SERVERS), "a stack that is up has nothing to start"
    assert stack.down(settings)
    assert not processes_of(settings)
    assert not stack.running(settings)
    assert not stack.down(settings), "a second down has nothing to stop"

    assert stack.up(settings, parts=SERVERS)
    with psycopg.connect(settings.conninfo()) as db:
        assert db.execute("select one from kept").fetchall() == [(1,)]
    assert topic_ids(admin(settings), TOPICS) == ids


def test_two_stacks_run_side_by_side_and_one_goes_down_alone(
    servers: Settings, new_stack: Callable[..., Settings]
) -> None:
    other = new_stack()
    stack.up(other, parts=SERVERS)
    assert {process.state for process in stack.status(servers).programs} >= {"RUNNING"}
    assert not set(topic_ids(admin(servers), TOPICS).values()) & set(topic_ids(admin(other), TOPICS).values())
    stack.down(other)
    assert not processes_of(other)
    assert server_answers(servers)


def test_a_taken_port_is_one_sentence_and_nothing_starts(new_stack: Callable[..., Settings]) -> None:
    settings = new_stack()
    with socket.create_server((HOST, settings.port("postgres"))), pytest.raises(Terminal) as raised:
        stack.up(settings, parts=SERVERS)
    assert f"Port {settings.port('postgres')}, for postgres, is taken" in str(raised.value)
    assert "HEADRACE_PORT_BASE" in raised.value.remedy
    assert "\n" not in str(raised.value)
    assert not processes_of(settings)


def test_a_missing_java_is_one_sentence_on_the_command_line(new_stack: Callable[..., Settings]) -> None:
    run = headrace(new_stack(), "up", "--detach", HEADRACE_JAVA="/nowhere/java")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.count("\n") == 1
    assert "Java" in run.stderr
    assert "Traceback" not in run.stderr


def test_doctor_names_the_failed_checks(new_stack: Callable[..., Settings]) -> None:
    settings = new_stack()
    assert headrace(settings, "doctor").returncode == 0
    with socket.create_server((HOST, settings.port("dagster"))):
        run = headrace(settings, "doctor", "--json", HEADRACE_JAVA="/nowhere/java")
    assert run.returncode == 1
    failed = {check["name"] for check in json.loads(run.stdout) if check["verdict"] == "failed"}
    assert failed == {"Java", "port dagster"}


def test_an_invalid_setting_is_one_sentence(new_stack: Callable[..., Settings]) -> None:
    run = headrace(new_stack(), "status", HEADRACE_PORT_BASE="many")
    assert run.returncode == 1
    assert "HEADRACE_PORT_BASE" in run.stderr
    assert run.stderr.count("\n") == 1


def test_down_clears_up_after_a_killed_supervisor(new_stack: Callable[..., Settings]) -> None:
    settings = new_stack()
    stack.up(settings, parts={"postgres"})
    kill_supervisor(settings)
    assert processes_of(settings), "its programs outlived it"
    assert stack.down(settings)
    assert not processes_of(settings)


def test_up_after_a_killed_supervisor_starts_again_with_the_data(new_stack: Callable[..., Settings]) -> None:
    settings = new_stack()
    stack.up(settings, parts=SERVERS)
    ids = topic_ids(admin(settings), TOPICS)
    kill_supervisor(settings)
    assert stack.up(settings, parts=SERVERS)
    assert stack.status(settings).running
    assert topic_ids(admin(settings), TOPICS) == ids


def test_a_stack_starts_empty_after_its_data_were_deleted(new_stack: Callable[..., Settings]) -> None:
    settings = new_stack()
    stack.up(settings, parts=SERVERS)
    ids = topic_ids(admin(settings), TOPICS)
    with pytest.raises(Terminal, match="headrace down"):
        stack.clear(settings)
    stack.down(settings)
    stack.clear(settings)
    assert stack.up(settings, parts=SERVERS)
    again = topic_ids(admin(settings), TOPICS)
    assert again.keys() == ids.keys()
    assert not set(again.values()) & set(ids.values())


def kill_supervisor(settings: Settings) -> None:
    os.kill(Supervisor(settings).pid(), signal.SIGKILL)
    wait_for(lambda: not stack.running(settings), "the supervisor is still there")


def test_a_lock_that_names_a_foreign_process_does_not_keep_postgres_down(new_stack: Callable[..., Settings]) -> None:
    settings = new_stack()
    with stack.postgres_for_call(settings):
        lock = (settings.root / "postgres" / "postmaster.pid").read_text()
    _, *rest = lock.splitlines()
    stale = settings.root / "postgres" / "postmaster.pid"
    stale.write_text("\n".join([str(os.getpid()), *rest]))
    with stack.postgres_for_call(settings):
        assert server_answers(settings)


def test_postgres_is_started_for_a_call_shared_by_another_and_stopped_after_the_last(
    new_stack: Callable[..., Settings],
) -> None:
    settings = new_stack()
    with stack.postgres_for_call(settings):
        with stack.postgres_for_call(settings):
            assert server_answers(settings)
        assert server_answers(settings), "the first call still needs it"
    assert not stack.running(settings)
    assert not processes_of(settings)


def test_a_stack_brought_up_during_a_call_keeps_postgres(new_stack: Callable[..., Settings]) -> None:
    settings = new_stack()
    with stack.postgres_for_call(settings):
        stack.up(settings, parts={"postgres"})
    assert server_answers(settings)


def test_servers_of_the_users_own_are_used_and_not_started(fresh: Settings) -> None:
    assert not stack.up(fresh, parts=SERVERS)
    assert not stack.running(fresh)
    with stack.postgres_for_call(fresh), psycopg.connect(fresh.conninfo()) as db:
        assert db.execute("select count(*) from landing.positions").fetchone() == (0,)


def test_secrets_are_their_owners_alone_and_in_nobodys_arguments(servers: Settings) -> None:
    kept = list(servers.secrets.rglob("*"))
    for path in (servers.secrets, *kept, servers.root / "supervisord.conf"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    secrets = {path.read_text().strip().rsplit(":", 1)[-1] for path in kept if path.is_file()}
    for process in processes_of(servers):
        assert not [secret for secret in secrets if secret in " ".join(process.cmdline())]


def test_everything_listens_on_loopback_only(servers: Settings) -> None:
    listening = [
        connection.laddr
        for process in processes_of(servers)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3
    assert {address[0].removeprefix("::ffff:") for address in listening} == {HOST}


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test runs as a plain user already")
def test_a_plain_user_has_a_stack_too(open_folder: Path, free_port_base: Callable[[], int]) -> None:
    shutil.chown(open_folder, "nobody")
    settings = Settings(home=open_folder, port_base=free_port_base())
    # The interpreter and the code may lie where only root may pass: this capability passes.
    as_plain_user = ["setpriv", "--reuid", "nobody", "--clear-groups"]
    as_plain_user += ["--inh-caps", "-all,+dac_override", "--ambient-caps", "-all,+dac_override"]
    code = (
        "from headrace.contracts.settings import Settings; from headrace import stack; settings = Settings();"
        "stack.up(settings, parts={'kafka', 'postgres'}); print(stack.status(settings).memory_bytes);"
        "stack.down(settings)"
    )
    command = [*as_plain_user, sys.executable, "-c", code]
    run = subprocess.run(command, env=environment(settings), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 100_000_000
    assert not processes_of(settings)
    assert (open_folder / "postgres").owner() == "nobody"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="hr-"))
    yield folder
    shutil.rmtree(folder)


def test_the_whole_stack_comes_up_small_and_ctrl_c_leaves_nothing(new_stack: Callable[..., Settings]) -> None:
    settings = new_stack()
    up = subprocess.Popen(
        [sys.executable, "-m", "headrace", "up"],
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: up.poll() is not None or stack.status(settings).healthy, "not healthy", 120)
        assert up.stdout is not None
        line = up.stdout.readline()
        assert line == "The stack is up.\n", up.communicate()[1]
        again = headrace(settings, "up")
        assert (again.returncode, again.stdout.splitlines()[0]) == (0, "The stack is already up.")

        status = headrace(settings, "status", "--json")
        assert status.returncode == 0
        report = json.loads(status.stdout)
        names = {program["name"] for program in report["programs"]}
        dagster = {"dagster-code", "dagster-webserver", "dagster-daemon"}
        connect = {"connect", "connect-watcher"}
        processors = {f"{name}-0" for name in all_processors()}
        assert names == {"kafka", "postgres", "lander-0", "sql"} | connect | processors | dagster
        assert report["memory_bytes"] < 3_500_000_000
        print(f"the idle stack takes {report['memory_bytes'] / 1e9:.2f} GB")
        assert all(program["memory_bytes"] > 0 for program in report["programs"])
    finally:
        up.send_signal(signal.SIGINT)
        _, errors = up.communicate(timeout=90)
    assert up.returncode == 130, errors
    assert "Traceback" not in errors
    assert not processes_of(settings)
    assert headrace(settings, "status").returncode == 1


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """Environment for the command line of a stack."""
    own = {"HEADRACE_HOME": str(settings.home), "HEADRACE_PORT_BASE": str(settings.port_base)}
    return os.environ | {"PYTHONPATH": str(Path(stack.__file__).parents[2])} | own | more


def headrace(settings: Settings, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command line for a stack."""
    return subprocess.run(
        [sys.executable, "-m", "headrace", *arguments],
        env=environment(settings, **more),
        capture_output=True,
        text=True,
        check=False,
    )
