"""The list of all programs that the supervisor runs, by part of the stack."""

import os
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from headrace.contracts.setting_names import SUPERVISED_VARIABLE
from headrace.contracts.settings import HOST, KafkaUser, Settings
from headrace.orchestration.instance import config as dagster
from headrace.stack.kafka.broker import broker_command
from headrace.stack.kafka.connect import worker_command
from headrace.stack.kafka.java import find_java
from headrace.stack.postgres import server_command
from headrace.streaming.processors.registry import all_processors
from headrace.streaming.sources.live.registry import configured

Part = Literal["kafka", "postgres", "connect", "landers", "processors", "sources", "connectors", "dagster", "sql"]
PARTS: tuple[Part, ...] = (
    *("kafka", "postgres", "connect", "landers", "processors", "sources", "connectors", "dagster", "sql"),
)
"""`connect` is the worker; `connectors` is the watcher of its connectors, also for an external worker."""

Tier = Literal["servers", "platform"]
"""Servers stop last, so that their clients can finish first."""


@dataclass(frozen=True)
class Program:
    """A supervised program. `port` is the port or socket path at which it listens once it is ready."""

    name: str
    part: Part
    tier: Tier
    command: list[str] = field(repr=False)
    port: int | Path
    stop_signal: str = "TERM"
    stop_as_group: bool = True
    stop_seconds: int = 30
    kafka_user: KafkaUser | None = None
    """Its user at the stack's own Kafka; None if it is not a client of Kafka."""

    @property
    def full_name(self) -> str:
        """Its name in the supervisor."""
        return f"{self.tier}:{self.name}"

    @property
    def address(self) -> str:
        return str(self.port) if isinstance(self.port, Path) else f"{HOST}:{self.port}"


def built_in_parts(settings: Settings, wanted: Collection[str] | None = None) -> tuple[Part, ...]:
    """The parts to start: the wanted ones (all, if None), except disabled parts and servers of the user's own."""
    external = {
        "kafka": settings.kafka_bootstrap is not None,
        "postgres": settings.postgres_conninfo is not None,
        "connect": settings.connect_url is not None or not settings.connect,
        "connectors": not settings.connect,
    }
    return tuple(part for part in PARTS if (wanted is None or part in wanted) and not external.get(part))


def programs(settings: Settings) -> list[Program]:
    """Every program of the stack, in the order to start them.

    Raises:
        Terminal: there is no Java, or there are no PostgreSQL binaries.
    """
    found: list[Program] = []
    parts = built_in_parts(settings)
    if "kafka" in parts:
        command = broker_command(settings, find_java(settings))
        found.append(Program("kafka", "kafka", "servers", command, settings.port("kafka")))
    if "postgres" in parts:
        # SIGINT is PostgreSQL's fast shutdown; for its children it cancels a query, so only the parent gets it.
        found.append(
            Program(
                *("postgres", "postgres", "servers", server_command(settings), settings.port("postgres")),
                stop_signal="INT",
                stop_as_group=False,
            )
        )
    found += [
        Program(
            *(f"lander-{index}", "landers", "platform"),
            [sys.executable, "-m", "headrace", "landing", "run", "--index", str(index)],
            settings.port("lander-metrics") + index,
            kafka_user="lander",
        )
        for index in range(settings.landers)
    ]
    sql = Program(
        *("sql", "sql", "platform"), [sys.executable, "-m", "headrace", "serve"], settings.port("sql"), stop_seconds=8
    )
    found += [*_connect_programs(settings), *_processor_programs(settings), *_source_programs(settings)]
    return [*found, *_dagster_programs(settings), sql]


def _connect_programs(settings: Settings) -> list[Program]:
    """The worker, and the watcher that keeps its connectors as declared."""
    parts = built_in_parts(settings)
    found: list[Program] = []
    if "connect" in parts:
        command = worker_command(settings, find_java(settings))
        # Its tasks survive a kill, so the stop timeout is short.
        found.append(Program("connect", "connect", "platform", command, settings.port("connect"), stop_seconds=8))
    if "connectors" in parts:
        command = [sys.executable, "-m", "headrace", "connect", "watch"]
        found.append(
            Program(
                *("connect-watcher", "connectors", "platform", command, settings.port("connect-watcher")),
                kafka_user="reader",
            )
        )
    return found


def _processor_programs(settings: Settings) -> list[Program]:
    instances = [(name, index) for name in all_processors() for index in range(settings.processors)]
    return [
        Program(
            *(f"{name}-{index}", "processors", "platform"),
            [sys.executable, "-m", "headrace", "processor", "run", name, "--instance", str(index)],
            settings.port("processor-metrics") + place,
            kafka_user="processor",
        )
        for place, (name, index) in enumerate(instances)
    ]


def source_program(name: str) -> str:
    """The name of a live source's program."""
    return f"source-{name.replace(':', '.')}"


def _source_programs(settings: Settings) -> list[Program]:
    """Each source listens at its metrics port once its settings have been validated."""
    return [
        Program(
            *(source_program(name), "sources", "platform"),
            [sys.executable, "-m", "headrace", "source", name],
            settings.port("source-metrics") + place,
            kafka_user="source",
        )
        for place, name in enumerate(configured(settings))
    ]


def _dagster_programs(settings: Settings) -> list[Program]:
    """The code server is shared by the webserver and the daemon, so that the definitions are in memory once."""
    code, web = dagster.code_socket(settings), settings.port("dagster")
    commands: dict[str, tuple[list[str], int | Path]] = {
        "dagster-code": (dagster.code_server_command(settings), code),
        "dagster-webserver": (dagster.webserver_command(settings), web),
        # The daemon does not listen: its address is that of its code server.
        "dagster-daemon": (dagster.daemon_command(settings), code),
    }
    # Builds survive a kill, so the stop timeout is short.
    return [
        Program(name, "dagster", "platform", command, port, stop_seconds=8, kafka_user="dagster")
        for name, (command, port) in commands.items()
    ]


def environment(settings: Settings) -> dict[str, str]:
    """Environment of the supervised programs: the caller's own, with exactly these settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    own = settings.environment() | {SUPERVISED_VARIABLE: str(settings.root)}
    return inherited | own | dagster.environment(settings) | {"PYTHONUNBUFFERED": "1"}
