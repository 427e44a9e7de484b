"""supervisord at its socket: started, asked, killed, started again, and stopped."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from headrace.contracts.settings import Settings
from headrace.stack.programs import Program
from headrace.stack.supervision import Supervisor, control_socket

SLEEPS = Program("sleeper", "kafka", "servers", ["sleep", "600"], 1)


@pytest.fixture(params=["home", "h" * 100])
def supervisor(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Supervisor, Settings]]:
    settings = Settings(home=tmp_path / request.param)
    found = Supervisor(settings)
    yield found, settings
    found.shut_down()
    socket = control_socket(settings)
    if not socket.is_relative_to(tmp_path):
        socket.parent.rmdir()


def test_a_killed_supervisor_leaves_a_socket_that_the_next_one_takes(supervisor: tuple[Supervisor, Settings]) -> None:
    asked, settings = supervisor
    assert not asked.answers()
    asked.launch([SLEEPS])
    socket = control_socket(settings)
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    asked.start(SLEEPS.full_name)
    assert asked.processes()[SLEEPS.full_name]["statename"] in ("STARTING", "RUNNING")
    killed = psutil.Process(asked.pid())
    os.kill(killed.pid, signal.SIGKILL)
    psutil.wait_procs([killed], timeout=5)
    assert socket.exists()
    assert not asked.answers()
    asked.shut_down()
    asked.launch([SLEEPS])
    assert asked.answers()
    assert not psutil.Process(asked.pid()).net_connections("inet")
    asked.shut_down()
    assert not asked.answers()
    assert not socket.exists()
