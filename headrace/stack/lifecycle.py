"""Starts the stack in the order of its dependencies, stops it, and clears its data."""

import fcntl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from headrace.contracts.errors import Terminal
from headrace.contracts.setting_sources import LOCK
from headrace.contracts.settings import HOST, Settings
from headrace.contracts.topics import TOPICS
from headrace.guard.doors import DAGSTER_TOKEN, authorization
from headrace.home import is_home
from headrace.stack import clearing, contract_history, doctor, postgres
from headrace.stack.databases import prepare_databases
from headrace.stack.files import PRIVATE, make_private
from headrace.stack.flapping import last_words
from headrace.stack.kafka.broker import prepare_broker, users_are_known
from headrace.stack.kafka.connect import prepare_worker
from headrace.stack.kafka.java import find_java
from headrace.stack.kafka.users import passwords
from headrace.stack.neighbours import require_alone
from headrace.stack.programs import Program, built_in_parts, programs
from headrace.stack.supervision import Supervisor, log_file, stop_leftovers
from headrace.streaming.runtime.health import broker_answers, connect_answers, quiet_admin, wait_for_topics
from headrace.terminal import Progress, silent, uninterrupted

START_SECONDS = 120.0
MAX_RESTARTS = 3
"""How often a program may exit during the start: PostgreSQL needs a second try if a killed one left children."""
POLL_SECONDS = 0.1
_CLIENTS = ("landers", "processors", "sources")


def running(settings: Settings) -> bool:
    """Whether this home's supervisor runs, even if only with a part of the stack."""
    return Supervisor(settings).answers()


def up(settings: Settings, *, parts: Collection[str] | None = None, progress: Progress = silent) -> bool:
    """Start the parts (all, if None) that do not run yet, and return once they are healthy.

    Returns False if there was nothing to do. Topics, databases and landing positions are created, too. If a part does
    not start, the programs started here are stopped again.

    Raises:
        Terminal: a requirement is missing or a port is taken (nothing was started then), or a program did not start.
    """
    if not is_home(settings.root):
        # Before the home is created, so that a failed check leaves nothing behind.
        stop_leftovers(settings.root)
        _require_checks(settings, parts, running=False)
        progress("home", f"ready, a new one: {settings.root}")
    with _locked(settings):
        _for_calls(settings).unlink(missing_ok=True)
        return _up(settings, parts, progress)


def down(settings: Settings, *, progress: Progress = silent) -> bool:
    """Stop all programs of this home, including those left by a killed supervisor. Returns False if nothing ran."""
    if not is_home(settings.root):
        return False
    with _locked(settings):
        return _down(settings, progress)


def clear(settings: Settings) -> None:
    """Delete all data of a stopped stack. Raises the errors of `require_clearable`."""
    with _locked(settings):
        require_clearable(settings)
        stop_leftovers(settings.root)
        clearing.clear(settings.root)


def require_clearable(settings: Settings) -> None:
    """Require that no program uses the data, and that all of them are in the home.

    Raises:
        Terminal: the stack runs, or Kafka or PostgreSQL is the user's own.
    """
    if settings.kafka_bootstrap is not None or settings.postgres_conninfo is not None:
        raise Terminal(
            "Data are in a Kafka or PostgreSQL of your own, from which Headrace deletes nothing.",
            remedy="Delete the topics and databases there, then the home.",
        )
    if Supervisor(settings).answers():
        raise Terminal(f"The stack in {settings.root} runs.", remedy="Run `headrace down` first.")


@contextmanager
def postgres_for_call(settings: Settings) -> Iterator[None]:
    """PostgreSQL during a call: the running server, or one that is started here and stopped afterwards.

    Concurrent calls share it; the last one stops it. A stack that is started meanwhile keeps it running.
    """
    if settings.postgres_conninfo is not None:
        yield
        return
    _make_home(settings)
    lock_file = settings.root / "postgres-calls.lock"
    lock_file.touch(mode=PRIVATE)
    with lock_file.open("w") as calls:
        with _locked(settings):
            fcntl.flock(calls, fcntl.LOCK_SH)
            if not _server_runs(settings, "postgres"):
                _up(settings, {"postgres"}, silent)
                _for_calls(settings).touch()
        try:
            yield
        finally:
            with _locked(settings):
                if _for_calls(settings).exists() and _last_call(calls.fileno()):
                    _down(settings, silent)


def _for_calls(settings: Settings) -> Path:
    """Marker: PostgreSQL runs for calls only, not for a stack."""
    return settings.root / "postgres-for-calls"


def _last_call(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make_home(settings: Settings) -> None:
    try:
        make_private(settings.root)
    except OSError as error:
        raise Terminal(
            f"The folder {settings.root} cannot be created, or not private to this account: {error.strerror}.",
            remedy="Name another with HEADRACE_HOME.",
        ) from error


@contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    """Only one process at a time changes which programs run in a home."""
    _make_home(settings)
    lock_file = settings.root / LOCK
    lock_file.touch(mode=PRIVATE)
    with lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        clearing.finish(settings.root)
        yield


def _down(settings: Settings, progress: Progress) -> bool:
    supervisor = Supervisor(settings)
    was_running = supervisor.answers()
    if was_running:
        progress("stack", "stopping")
        supervisor.shut_down()
        progress("stack", "stopped")
    leftovers = 0 if was_running else stop_leftovers(settings.root)
    _for_calls(settings).unlink(missing_ok=True)
    return was_running or leftovers > 0


def _server_runs(settings: Settings, name: str) -> bool:
    supervisor = Supervisor(settings)
    return supervisor.answers() and supervisor.processes().get(f"servers:{name}", {}).get("statename") == "RUNNING"


def _up(settings: Settings, parts: Collection[str] | None, progress: Progress) -> bool:
    supervisor = Supervisor(settings)
    was_running = supervisor.answers()
    if not was_running:
        stop_leftovers(settings.root)
    _require_checks(settings, parts, running=was_running)
    wanted = built_in_parts(settings, parts)
    if not was_running and {"landers", "processors"} & set(wanted):
        require_alone(settings)
    every = programs(settings)
    start = _Start(settings, supervisor, [program for program in every if program.part in wanted], progress)
    if was_running:
        start.require_known()
        if not start.missing():
            return False
    try:
        start.prepare(was_running, every)
        start.run(parts)
    except BaseException:
        if not was_running:
            with uninterrupted():
                supervisor.shut_down()
        raise
    return bool(wanted)


def _require_checks(settings: Settings, parts: Collection[str] | None, *, running: bool) -> None:
    for check in doctor.examine(settings, wanted=parts, running=running):
        check.require()


class _Start:
    """One start of some programs."""

    def __init__(self, settings: Settings, supervisor: Supervisor, wanted: list[Program], progress: Progress) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._wanted = {program.name: program for program in wanted}
        self._progress = progress
        self._started_at: dict[str, float] = {}

    def missing(self) -> list[Program]:
        """The programs that do not run."""
        processes = self._supervisor.processes()
        return [p for p in self._wanted.values() if processes[p.full_name]["statename"] != "RUNNING"]

    def require_known(self) -> None:
        """Require that the running supervisor, which has the settings of its start, knows these programs."""
        processes = self._supervisor.processes()
        unknown = [program.name for program in self._wanted.values() if program.full_name not in processes]
        if unknown:
            raise Terminal(
                f"The stack runs with other settings: it does not know {', '.join(unknown)}.",
                remedy="Run `headrace down` first.",
            )

    def prepare(self, was_running: bool, every: list[Program]) -> None:
        """Create the servers' folders, and start the supervisor with the list of all programs."""
        settings = self._settings
        missing = {program.name for program in self.missing()} if was_running else set(self._wanted)
        if "kafka" in missing:
            self._progress("kafka", "preparing")
            prepare_broker(settings, find_java(settings))
        if "postgres" in missing:
            self._progress("postgres", "preparing")
            postgres.prepare_server(settings)
        if self._wanted and not was_running:
            self._supervisor.launch(every)

    def run(self, parts: Collection[str] | None) -> None:
        """Start the programs in the order of their dependencies."""
        settings = self._settings
        # 1. The servers, at the same time.
        self._begin("kafka", "postgres")
        # 2. PostgreSQL is ready first: databases, landing positions, Dagster's configuration.
        if parts is None or "postgres" in parts:
            self._await("postgres", lambda: postgres.server_answers(settings))
            self._prepare_postgres()
        # 3. Dagster's code loads while Kafka starts. The SQL server only needs the published file.
        self._begin("sql")
        if "dagster-code" in self._wanted:
            self._prepare_dagster()
            self._begin("dagster-code")
        # 4. Topics, then their consumers and producers. Connect's worker takes longest to start.
        if parts is None or "kafka" in parts:
            self._await("kafka", lambda: broker_answers(settings, 1.0))
            self._prepare_topics()
        if "connect" in self._wanted:
            prepare_worker(settings)
            self._begin("connect")
        clients = [name for name, program in self._wanted.items() if program.part in _CLIENTS]
        self._begin(*clients)
        # 5. The webserver and the daemon need the code server.
        self._await("dagster-code", lambda: _listens(self._wanted["dagster-code"]))
        self._begin("dagster-webserver", "dagster-daemon")
        for name in clients:
            self._await(name, lambda name=name: _listens(self._wanted[name]))
        # 6. Connectors, once the worker answers. The watcher listens once the connectors are as declared.
        if "connect" in self._wanted:
            self._await("connect", lambda: connect_answers(settings))
        self._begin("connect-watcher")
        self._await("connect-watcher", lambda: _listens(self._wanted["connect-watcher"]))
        self._await("dagster-webserver", self._dagster_serves)
        self._await("dagster-daemon", lambda: True)
        self._await("sql", lambda: _listens(self._wanted["sql"]))

    def _dagster_serves(self) -> bool:
        headers = authorization(self._settings, DAGSTER_TOKEN)
        return _serves(self._wanted["dagster-webserver"], "/server_info", headers)

    def _prepare_postgres(self) -> None:
        from headrace.streaming.landing.positions import prepare

        prepare_databases(self._settings)
        prepare(self._settings.conninfo())

    def _prepare_topics(self) -> None:
        from headrace.streaming.runtime.access import grant
        from headrace.streaming.runtime.topics import create_topics, has_records

        client = quiet_admin(self._settings)
        if self._settings.kafka_bootstrap is None:
            grant(client, self._settings, passwords(self._settings))
            users_are_known(self._settings)
        contract_history.require_compatible(self._settings, lambda topic: has_records(client, topic.name))
        create_topics(client, TOPICS.values())
        wait_for_topics(client, TOPICS)
        contract_history.keep(self._settings)

    def _prepare_dagster(self) -> None:
        from headrace.orchestration.instance.config import write_instance_config

        write_instance_config(self._settings)

    def _begin(self, *names: str) -> None:
        for name in names:
            program = self._wanted.get(name)
            if program is not None:
                self._supervisor.start(program.full_name)
                self._started_at[name] = time.monotonic()
                self._progress(name, "starting")

    def _await(self, name: str, ready: Callable[[], bool]) -> None:
        """Wait until a program, if it is wanted, runs and `ready` returns true."""
        program = self._wanted.get(name)
        if program is None:
            return
        started = self._started_at[name]
        lives: set[int] = set()
        while True:
            process = self._supervisor.processes()[program.full_name]
            state = process["statename"]
            if state == "RUNNING" and ready():
                break
            lives |= {process["pid"]} - {0}
            if state == "FATAL" or len(lives) > MAX_RESTARTS or time.monotonic() - started > START_SECONDS:
                raise Terminal(
                    f"{name} did not start: {last_words(self._settings, name)}",
                    remedy=f"See {log_file(self._settings, name)}.",
                )
            time.sleep(POLL_SECONDS)
        self._progress(name, f"ready in {time.monotonic() - started:.1f} s")


def _listens(program: Program) -> bool:
    import socket

    is_path = isinstance(program.port, Path)
    with socket.socket(socket.AF_UNIX if is_path else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(program.address if is_path else (HOST, program.port)) == 0


def _serves(program: Program, path: str, headers: Mapping[str, str] | None = None) -> bool:
    try:
        # Loopback, never through a proxy.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(f"http://{program.address}{path}", headers=dict(headers or {}))
        with opener.open(request, timeout=5.0) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
