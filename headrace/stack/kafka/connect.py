"""One Kafka Connect worker: its settings, the secrets of its connectors, and the command that runs it."""

import os
from pathlib import Path

import psycopg

from headrace.contracts.postgres import postgres_needed
from headrace.contracts.postgres_roles import RoleName
from headrace.contracts.settings import HOST, Settings
from headrace.stack.files import secret, write_file
from headrace.stack.kafka.broker import QUIET_LOG
from headrace.stack.kafka.jars import CONNECT_LOGIN, JARS, PLUGINS
from headrace.stack.kafka.java import Java
from headrace.streaming.connect.connectors import CAPTURE_ROLE, SINK_ROLE
from headrace.streaming.runtime.access import CONNECT_GROUP, CONNECT_TOPICS
from headrace.streaming.runtime.clients import java_connection

_CLIENTS = ("", "producer.", "consumer.", "admin.")
"""Prefixes of the settings of the worker's own clients, and of those of its connectors."""
_SMALL_PROCESS = (
    "-Xms64m",
    "-Xmx320m",
    "-XX:+UseSerialGC",
    "-XX:MaxMetaspaceSize=192m",
    # A worker moves few records and starts often: the C1 compiler alone takes less time and memory.
    "-XX:TieredStopAtLevel=1",
    "-XX:ReservedCodeCacheSize=64m",
    "-XX:-UsePerfData",
    # No ExitOnOutOfMemoryError: a record that does not fit into memory fails its task, which commits what it stored;
    # the watcher sets the record apart. A worker that exited would start at the same record again.
)


def worker_command(settings: Settings, java: Java) -> list[str]:
    """The command that runs the worker in the foreground."""
    main = "org.apache.kafka.connect.cli.ConnectDistributed"
    classes = os.pathsep.join(str(folder / "*") for folder in (JARS, CONNECT_LOGIN.folder))
    login = f"-Djava.security.auth.login.config={_login_module_file(settings)}"
    return [java.command, *_SMALL_PROCESS, *QUIET_LOG, login, "-cp", classes, main, str(_properties_file(settings))]


def prepare_worker(settings: Settings) -> None:
    """Write the worker's settings, and the passwords that its connectors may read. PostgreSQL must be running.

    Raises:
        Transient: PostgreSQL is unavailable, or rejects a connector's role.
    """
    databases: dict[RoleName, str] = {SINK_ROLE: settings.database, CAPTURE_ROLE: settings.shop_database}
    lines = [f"{role}={_password(settings, database, role)}\n" for role, database in databases.items()]
    write_file(settings.connect_secrets, "".join(lines))
    _write_login(settings)
    properties = worker_properties(settings)
    escaped = {name: str(value).replace("\\", "\\\\") for name, value in properties.items()}
    write_file(_properties_file(settings), "".join(f"{name}={value}\n" for name, value in escaped.items()))


def _password(settings: Settings, database: str, role: RoleName) -> str:
    # libpq finds the password in its file or variable.
    with (
        postgres_needed(f"The database {database}, for the role {role},"),
        psycopg.connect(settings.conninfo(database, role), connect_timeout=10) as db,
    ):
        return db.info.password.replace("\\", "\\\\")


def _write_login(settings: Settings) -> None:
    """Write the password of the REST API, readable by the worker and its clients, not by connectors."""
    login = settings.secrets / "connect-rest" / "login"
    write_file(login, f"headrace:{secret(settings.secrets / 'connect-rest', 'password')}\n")
    module = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule"
    write_file(_login_module_file(settings), f'KafkaConnect {{ {module} required file="{login}"; }};\n')


def _login_module_file(settings: Settings) -> Path:
    return settings.root / "connect" / "login.conf"


def worker_properties(settings: Settings) -> dict[str, str | int]:
    """The worker's settings: loopback only, exactly-once sources, and plugins found by their service files."""
    login = java_connection(settings.model_copy(update={"kafka_user": "connect"}))
    return {
        **{f"{prefix}{name}": value for prefix in _CLIENTS for name, value in login.items()},
        "group.id": CONNECT_GROUP,
        "listeners": f"http://{HOST}:{settings.port('connect')}",
        "rest.advertised.host.name": HOST,
        "rest.extension.classes": "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension",
        "plugin.path": str(PLUGINS),
        "plugin.discovery": "service_load",
        "exactly.once.source.support": "enabled",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "config.providers": "file",
        "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
        "config.providers.file.param.allowed.paths": str(settings.connect_secrets),
        "config.storage.topic": f"{CONNECT_TOPICS}-configs",
        "offset.storage.topic": f"{CONNECT_TOPICS}-offsets",
        "offset.storage.partitions": 1,
        "status.storage.topic": f"{CONNECT_TOPICS}-status",
        "status.storage.partitions": 1,
        # One node: one replica.
        "config.storage.replication.factor": 1,
        "offset.storage.replication.factor": 1,
        "status.storage.replication.factor": 1,
        "offset.flush.interval.ms": 2_000,
        # A worker restarted after a kill takes its tasks at once; the default delay is five minutes.
        "scheduled.rebalance.max.delay.ms": 0,
        "session.timeout.ms": 6_000,
        "heartbeat.interval.ms": 2_000,
        "task.shutdown.graceful.timeout.ms": 5_000,
    }


def _properties_file(settings: Settings) -> Path:
    return settings.root / "connect" / "worker.properties"
