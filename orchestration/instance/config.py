"""Dagster's own installation within a stack: its home folder, its storage, and the processes that serve it.

How a stack runs Dagster belongs here; what Dagster runs is in `headrace.orchestration.definitions`. Nothing in this
module imports Dagster except the functions that open the instance, so that the command line starts quickly.
"""

import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import yaml
from psycopg.conninfo import conninfo_to_dict

from headrace.contracts.settings import HOST, Settings
from headrace.guard.sockets import make_private, socket_path

if TYPE_CHECKING:
    from dagster import DagsterInstance

DATABASE = "dagster"
"""Dagster's database, on the same PostgreSQL server as everything else."""
LOCATION = "headrace"
MODULE = "headrace.orchestration.definitions"
WAREHOUSE_POOL = "warehouse"
"""The pool of everything that writes to the warehouse; the instance runs one run of it at a time."""
MODELS_POOL = "models"
"""The pool of trainings, which take all of a processor: one run of it at a time."""
MAX_CONCURRENT_RUNS = 4
MAX_RUNTIME_SECONDS = 6 * 3_600
START_TIMEOUT_SECONDS = 120
POLL_SECONDS = 30
DEQUEUE_SECONDS = 2
SENSOR_TICK_RETENTION_DAYS = {"skipped": 1, "success": 7, "failure": 30, "started": 1}
CODE_SERVER_THREADS = 4


def home(settings: Settings) -> Path:
    """DAGSTER_HOME."""
    return settings.root / "dagster"


def workspace_file(settings: Settings) -> Path:
    """What the webserver and the daemon load: the one code server that both share."""
    return home(settings) / "workspace.yaml"


def code_socket(settings: Settings) -> Path:
    """Where the code server listens: it has no login, so in a folder that only the stack's account can enter."""
    return socket_path(settings, home(settings) / "code.sock")


def storage_url(settings: Settings) -> str:
    """Where Dagster stores, as a SQLAlchemy URL. It includes libpq's own parameters (`passfile`, `sslmode`, …).

    The driver is named because SQLAlchemy's default is now psycopg 3, and dagster-postgres does not recognize its
    errors: it detects a table created by another process by psycopg 2's `pgcode`.
    """
    parameters = {
        name: str(value) for name, value in conninfo_to_dict(settings.conninfo(DATABASE, "headrace_dagster")).items()
    }
    user, password = parameters.pop("user", None), parameters.pop("password", None)
    database = parameters.pop("dbname")
    # `host` and `port` stay parameters, since either may be a list or a socket's folder.
    login = ":".join(quote(part, safe="") for part in (user, password) if part)
    server = f"{login}@" if login else ""
    return f"postgresql+psycopg2://{server}/{quote(database, safe='')}?{urlencode(parameters)}"


def instance_config(settings: Settings) -> dict[str, Any]:
    """The content of dagster.yaml."""
    return {
        "storage": {
            "custom": {
                "module": "headrace.orchestration.instance.internals",
                "class": "PooledStorage",
                "config": {"postgres_url": storage_url(settings)},
            }
        },
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        "concurrency": {
            # By run, not by step: a step's slot outlives a process that is killed.
            "pools": {"granularity": "run", "default_limit": 1},
            "runs": {"max_concurrent_runs": MAX_CONCURRENT_RUNS},
        },
        "run_queue": {"dequeue_interval_seconds": DEQUEUE_SECONDS},
        "run_monitoring": {
            "enabled": True,
            "start_timeout_seconds": START_TIMEOUT_SECONDS,
            "max_runtime_seconds": MAX_RUNTIME_SECONDS,
            "poll_interval_seconds": POLL_SECONDS,
        },
        # Only for runs with a retry tag whose process died: steps retry transient errors themselves, and other errors
        # would fail again.
        "run_retries": {"enabled": True, "max_retries": 0, "retry_on_asset_or_op_failure": False},
        "freshness": {"enabled": True},
        "retention": {
            "sensor": {"purge_after_days": SENSOR_TICK_RETENTION_DAYS},
            "schedule": {"purge_after_days": 30},
        },
    }


def workspace_config(settings: Settings) -> dict[str, Any]:
    """The content of the stack's workspace file."""
    server = {"host": "localhost", "socket": str(code_socket(settings)), "location_name": LOCATION}
    return {"load_from": [{"grpc_server": server}]}


def write_instance_config(settings: Settings) -> Path:
    """Write dagster.yaml and the workspace file into Dagster's home, readable by their owner only; returns the home."""
    folder = home(settings)
    for each in (folder, code_socket(settings).parent):
        make_private(each)
    _replace(folder / "dagster.yaml", instance_config(settings))
    _replace(workspace_file(settings), workspace_config(settings))
    return folder


def _replace(path: Path, content: dict[str, Any]) -> None:
    aside = path.with_suffix(f".{os.getpid()}")
    aside.touch(mode=0o600)
    aside.write_text(yaml.safe_dump(content, sort_keys=False))
    aside.replace(path)


def environment(settings: Settings) -> dict[str, str]:
    """Environment of every Dagster process, beside the stack's own `HEADRACE_…` variables."""
    return {"DAGSTER_HOME": str(home(settings)), "DAGSTER_DISABLE_TELEMETRY": "yes", "DO_NOT_TRACK": "1"}


def code_server_command(settings: Settings) -> list[str]:
    """The code server: holds the definitions, evaluates sensors, and starts a process for each run."""
    return [
        *_python("headrace.orchestration.instance.code_server"),
        *("api", "grpc", "--socket", str(code_socket(settings))),
        *("--module-name", MODULE, "--location-name", LOCATION),
        *("--max-workers", str(CODE_SERVER_THREADS), "--log-level", "warning", "--use-python-environment-entry-point"),
    ]


def webserver_command(settings: Settings) -> list[str]:
    """The web UI, behind the stack's door."""
    server = _python("headrace.orchestration.instance.webserver")
    return [*server, "--host", HOST, "--port", str(settings.port("dagster"))]


def daemon_command(settings: Settings) -> list[str]:
    """The daemon: ticks sensors and schedules, and takes runs off the queue."""
    return [
        str(Path(sysconfig.get_path("scripts")) / "dagster-daemon"),
        *("run", "--workspace", str(workspace_file(settings)), "--log-level", "warning"),
    ]


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", module]


@contextmanager
def opened(settings: Settings) -> Iterator["DagsterInstance"]:
    """The stack's Dagster instance, its tables created on first use."""
    from dagster import DagsterInstance

    folder = write_instance_config(settings)
    with DagsterInstance.from_config(str(folder)) as instance:
        yield instance
