"""What every suite shares: settings that come from the test alone, and free ports."""

import os
import random
import signal
import socket
import sys
from collections.abc import Callable, Iterator

import hypothesis
import pytest
import structlog

from headrace.contracts.setting_names import CONFIG_VARIABLE
from headrace.contracts.settings import HOST, PORTS

# Tests run side by side on few cores, where the waiting threads of OpenMP keep the working ones from the processor.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("headrace", deadline=None)
hypothesis.settings.load_profile("headrace")

_SPARE_PORTS = max(PORTS.values()) + 16
# Below the range that the system gives to outgoing connections. Workers of pytest-xdist each have a part of it.
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_BASES = range(20_000, 32_000, 64)[_WORKER::_WORKERS]


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """Tests say what they set; the developer's own `HEADRACE_…` variables and project do not count."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("HEADRACE_")]:
            patch.delenv(name)
        patch.setenv(CONFIG_VARIABLE, "")
        yield


@pytest.fixture(scope="session", autouse=True)
def _logs_go_to_standard_error() -> None:
    """As in the product: a source that still runs after its test must not write into another test's output."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


@pytest.fixture(autouse=True)
def _a_command_run_here_leaves_the_logs_as_they_were() -> Iterator[None]:
    """The command line points the logs at its own standard error, which is closed when its test ends."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_reaches_children() -> None:
    """A shell starts background processes with SIGINT ignored, and their children would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def free_port_base() -> Callable[[], int]:
    """Call it for a port base whose ports are all free, another one each time."""
    return find_port_base


def find_port_base() -> int:
    """A random port base whose ports are all free now."""
    while True:
        base = random.choice(_BASES)
        if all(_is_free(base + offset) for offset in range(_SPARE_PORTS)):
            return base


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
