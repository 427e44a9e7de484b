"""supervisord: its configuration, start and socket, and cleanup after one that was killed."""

import http.client
import os
import shlex
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import psutil

from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.setting_names import SUPERVISED_VARIABLE
from headrace.contracts.settings import Settings
from headrace.guard.sockets import is_own, make_private, socket_path
from headrace.stack.files import PRIVATE, PRIVATE_UMASK, make_folder, write_file
from headrace.stack.programs import Program, Tier, environment, source_program

_RPC_TIMEOUT_SECONDS = 10.0
_START_SECONDS = 20.0
_STOP_SECONDS = 60.0
_KILL_AFTER_SECONDS = 10.0
_NOT_RUNNING_FAULT = 70
_ALREADY_STARTED_FAULT = 60
_PRIORITIES: dict[Tier, int] = {"servers": 10, "platform": 20}


def control_socket(settings: Settings) -> Path:
    """The socket of the supervisor. It needs no password: no other account can enter the folder."""
    return socket_path(settings, settings.root / "supervisor" / "control.sock")


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket, with a timeout, so that a stuck supervisor is detected."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_RPC_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        if not is_own(self._path.parent) and os.getuid():
            raise FileNotFoundError(f"{self._path.parent} does not exist, or belongs to another account")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ARG002
        return _Connection(self._path)


class Supervisor:
    """The supervisord of one stack, running or not."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._socket = control_socket(settings)

    def answers(self) -> bool:
        """Whether the supervisor of this home is running."""
        try:
            if not self._socket.exists():
                return False
            return self._call("supervisor.getIdentification") == _identifier(self._settings)
        except (Transient, xmlrpc.client.ProtocolError):
            return False
        except PermissionError as error:
            raise Terminal(
                f"{self._settings.root} belongs to another user.", remedy="Name another folder with HEADRACE_HOME."
            ) from error

    def pid(self) -> int:
        return int(cast(int, self._call("supervisor.getPID")))

    def processes(self) -> dict[str, dict[str, Any]]:
        """supervisord's process info of every program, by full name."""
        rows = cast(list[dict[str, Any]], self._call("supervisor.getAllProcessInfo"))
        return {f"{row['group']}:{row['name']}": row for row in rows}

    def start(self, full_name: str) -> None:
        """Start a program unless it runs, without waiting for it."""
        self._tolerating(_ALREADY_STARTED_FAULT, "supervisor.startProcess", full_name, False)

    def stop(self, full_name: str) -> None:
        """Stop a program unless it is stopped, and wait for it."""
        self._tolerating(_NOT_RUNNING_FAULT, "supervisor.stopProcess", full_name, True)

    def launch(self, programs: Iterable[Program]) -> None:
        """Start supervisord as a daemon with these programs, without starting them.

        Raises:
            Terminal: it did not start.
        """
        settings = self._settings
        make_folder(settings.logs)
        make_private(self._socket.parent)
        config = settings.root / "supervisord.conf"
        write_file(config, configuration(settings, programs))
        run = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
            env=environment(settings),
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            umask=PRIVATE_UMASK,
        )
        remedy = f"See {settings.logs / 'supervisord.log'}."
        if run.returncode:
            reason = (run.stderr.strip() or run.stdout.strip()).splitlines()[-1:] or ["no reason was given"]
            raise Terminal(f"The supervisor did not start: {reason[0]}.", remedy=remedy)
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            if time.monotonic() > deadline:
                raise Terminal("The supervisor started but does not answer.", remedy=remedy)
            time.sleep(0.05)

    def shut_down(self) -> None:
        """Stop every program, servers last, then the supervisor; kill all remaining processes of this stack."""
        if self.answers():
            daemon = psutil.Process(self.pid())
            self._call("supervisor.shutdown")
            deadline = time.monotonic() + _STOP_SECONDS
            while _alive(daemon) and time.monotonic() < deadline:
                time.sleep(0.05)
        stop_leftovers(self._settings.root)

    def _tolerating(self, fault_code: int, method: str, *arguments: object) -> None:
        try:
            self._call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != fault_code:
                raise Terminal(
                    f"The supervisor rejected {method} of {arguments[0]}: {fault.faultString}.",
                    remedy="Run `headrace down`, then `headrace up`.",
                ) from fault

    def _call(self, method: str, *arguments: object) -> object:
        proxy = xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=_Transport(self._socket))
        try:
            with proxy:
                return getattr(proxy, method)(*cast(Any, arguments))
        except (OSError, http.client.HTTPException) as error:
            raise Transient(f"The supervisor does not answer: {error}.") from error


@contextmanager
def source_stopped(settings: Settings, name: str) -> Iterator[None]:
    """A live source's program does not run within the block, and afterwards runs again if it did before.

    After a kill within the block it is stopped, and `headrace up` starts it.
    """
    supervisor, program = Supervisor(settings), f"platform:{source_program(name)}"
    runs = supervisor.answers() and supervisor.processes().get(program, {}).get("statename") in _ACTIVE
    if runs:
        supervisor.stop(program)
    try:
        yield
    finally:
        if runs:
            supervisor.start(program)


_ACTIVE = ("STARTING", "RUNNING", "BACKOFF")


def configuration(settings: Settings, programs: Iterable[Program]) -> str:
    """supervisord's configuration file."""
    wanted = list(programs)
    sections: list[dict[str, object]] = [
        {
            "": "supervisord",
            "logfile": settings.logs / "supervisord.log",
            "logfile_maxbytes": "5MB",
            "logfile_backups": 1,
            "loglevel": "info",
            "pidfile": settings.root / "supervisord.pid",
            "identifier": _identifier(settings),
            "directory": settings.root,
            "nocleanup": "true",
            "umask": f"{PRIVATE_UMASK:03o}",
            **({"user": "root"} if _is_root() else {}),
        },
        {
            "": "unix_http_server",
            "file": control_socket(settings),
            "chmod": f"{PRIVATE:04o}",
        },
        {"": "rpcinterface:supervisor", "supervisor.rpcinterface_factory": _RPC_FACTORY},
    ]
    for tier, priority in _PRIORITIES.items():
        names = ",".join(program.name for program in wanted if program.tier == tier)
        if names:
            sections.append({"": f"group:{tier}", "programs": names, "priority": priority})
    sections += [_program_section(settings, program) for program in wanted]
    return "\n".join(_section(section) for section in sections)


_RPC_FACTORY = "supervisor.rpcinterface:make_main_rpcinterface"


def _program_section(settings: Settings, program: Program) -> dict[str, object]:
    return {
        "": f"program:{program.name}",
        "command": shlex.join(program.command),
        **({"environment": f'HEADRACE_KAFKA_USER="{program.kafka_user}"'} if program.kafka_user else {}),
        "autostart": "false",  # `headrace up` starts them in order
        "autorestart": "true",
        "startsecs": 1,
        "startretries": 60,  # each pause is one second longer: half an hour in total
        "stopsignal": program.stop_signal,
        "stopwaitsecs": program.stop_seconds,
        "stopasgroup": str(program.stop_as_group).lower(),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": log_file(settings, program.name),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": 2,
    }


def log_file(settings: Settings, program: str) -> Path:
    """The file of a program's output."""
    return settings.logs / f"{program}.log"


def _section(section: dict[str, object]) -> str:
    lines = [f"{name} = {str(value).replace('%', '%%')}" for name, value in section.items() if name]
    return "\n".join([f"[{section['']}]", *lines, ""])


def _identifier(settings: Settings) -> str:
    return f"headrace:{settings.root}"


def _is_root() -> bool:
    return psutil.Process().uids().effective == 0


def stop_leftovers(root: Path) -> int:
    """Stop every process of this stack that runs without a supervisor; returns their number.

    Each has the stack's root in its environment, which no process of another stack has.
    """
    found = _supervised(root)
    for process in found:
        _signal(process)
    deadline = time.monotonic() + _KILL_AFTER_SECONDS
    while (alive := _supervised(root)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=5)
    return len(found)


def _signal(process: psutil.Process) -> None:
    try:
        if process.name() == "postgres":
            process.send_signal(2)  # SIGINT: fast shutdown; SIGTERM would wait for clients
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        return


def _supervised(root: Path) -> list[psutil.Process]:
    me = psutil.Process()
    own = {me.pid, *(parent.pid for parent in me.parents())}
    return [process for process in psutil.process_iter() if process.pid not in own and _belongs_to(process, root)]


def _belongs_to(process: psutil.Process, root: Path) -> bool:
    try:
        return process.environ().get(SUPERVISED_VARIABLE) == str(root)
    except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
