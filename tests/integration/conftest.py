"""Real servers for the integration tests: one broker and one PostgreSQL per session, reset for each test."""

import contextlib
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from psycopg import sql

from headrace import stack
from headrace.contracts.settings import HOST, Settings
from headrace.contracts.topics import TOPICS
from headrace.orchestration.instance import config as dagster
from headrace.stack.databases import prepare_databases
from headrace.stack.postgres import server_answers
from headrace.stack.supervision import Supervisor
from headrace.streaming.connect.applying import apply, configure
from headrace.streaming.landing.positions import prepare
from headrace.streaming.runtime.clients import admin
from headrace.streaming.runtime.health import broker_answers, connect_answers, wait_for_topics
from headrace.streaming.runtime.topics import create_topics, offset_bounds
from tests.integration.superuser import as_superuser

Server = Literal["kafka", "postgres", "connect"]
_FULL_NAMES = {"kafka": "servers:kafka", "postgres": "servers:postgres", "connect": "platform:connect"}
_DEADLINE_SECONDS = 60.0


@pytest.fixture(scope="session")
def servers(free_port_base: Callable[[], int]) -> Iterator[Settings]:
    """Settings of a stack of which only Kafka and PostgreSQL run, for the whole session."""
    home = Path(tempfile.mkdtemp(prefix="hr-"))
    settings = Settings(home=home, port_base=free_port_base())
    try:
        stack.up(settings, parts={"kafka", "postgres"})
        yield settings
    finally:
        stack.down(settings)
        shutil.rmtree(home)


@pytest.fixture
def fresh(servers: Settings, tmp_path: Path, free_port_base: Callable[[], int]) -> Iterator[Settings]:
    """Settings for one test on the session's servers: own home, ports and database, empty topics as declared."""
    settings = Settings(
        home=tmp_path / "home",
        port_base=free_port_base(),
        kafka_bootstrap=servers.bootstrap_servers,
        kafka_config=servers.kafka_file,
        postgres_conninfo=f"host={HOST} port={servers.port('postgres')} passfile='{servers.pgpass}'",
        database=f"test_{secrets.token_hex(6)}",
        connect=False,
    )
    with _prepared(servers, settings):
        recreate_topics(servers)
        yield settings


@contextlib.contextmanager
def _prepared(servers: Settings, settings: Settings) -> Iterator[Settings]:
    prepare_databases(servers.model_copy(update={"database": settings.database, "connect": False}))
    prepare(settings.conninfo())
    yield settings
    drop_database(settings, settings.database)


@pytest.fixture
def another(fresh: Settings, servers: Settings) -> Callable[[], contextlib.AbstractContextManager[Settings]]:
    """As `fresh` with another new home and database, whenever it is called: for the examples of a property."""

    def made() -> contextlib.AbstractContextManager[Settings]:
        name = f"test_{secrets.token_hex(6)}"
        return _prepared(servers, fresh.model_copy(update={"home": fresh.home / name, "database": name}))

    return made


@pytest.fixture
def with_dagster(fresh: Settings, servers: Settings) -> Settings:
    """`fresh`, with a Dagster database that is new: its name is the same for all tests on the session's servers."""
    drop_database(fresh, dagster.DATABASE)
    prepare_databases(servers.model_copy(update={"database": fresh.database, "connect": False}))
    return fresh


@pytest.fixture(scope="session")
def connect_worker(servers: Settings) -> Settings:
    """Settings of the session's servers, Connect's worker now among them."""
    stack.up(servers, parts={"connect"})
    return servers


@pytest.fixture
def connected(fresh: Settings, connect_worker: Settings) -> Iterator[Settings]:
    """`fresh`, with a shop's database of its own, and the connectors as declared on the session's worker."""
    settings = fresh.model_copy(
        update={
            "connect": True,
            "connect_url": connect_worker.connect_address,
            "connect_login": connect_worker.connect_login_file,
            "connect_password": f"${{file:{connect_worker.connect_secrets}:{{role}}}}",
            "shop_database": f"shop_{secrets.token_hex(6)}",
        }
    )
    prepare_databases(
        connect_worker.model_copy(update={"database": settings.database, "shop_database": settings.shop_database})
    )
    apply(settings)
    yield settings
    configure(settings, {})
    drop_database(settings, settings.shop_database)


def drop_database(settings: Settings, database: str) -> None:
    """Drop a database of the session's server, if it exists, and close its connections."""
    with psycopg.connect(as_superuser(settings), autocommit=True) as db:
        db.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database)))


def recreate_topics(servers: Settings) -> None:
    """Leave the session's broker with the contracts' topics alone, all empty and served, those that had records new."""
    client = admin(servers)
    present = {name: len(each.partitions) for name, each in client.list_topics(timeout=10).topics.items()}
    used = {name for name in present if not name.startswith("__")} - _unused(client, present)
    _delete(client, used)
    _wait_until_logs_are_gone(servers.root / "kafka" / "data", used)
    create_topics(client, TOPICS.values())
    wait_for_topics(client, TOPICS)


def _unused(client: AdminClient, present: Mapping[str, int]) -> set[str]:
    """The contracts' topics that never had a record and have the partitions of their contract."""
    as_declared = {name for name, topic in TOPICS.items() if present.get(name) == topic.partitions}
    bounds = offset_bounds(client, [(name, number) for name in as_declared for number in range(present[name])])
    return {
        name for name in as_declared if all(bounds.get((name, number)) == (0, 0) for number in range(present[name]))
    }


def _delete(client: AdminClient, names: Collection[str]) -> None:
    """Delete topics, and wait until they are gone."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while left := [name for name in client.list_topics(timeout=10).topics if name in names]:
        assert time.monotonic() < deadline, f"topics do not go away: {left}"
        for future in client.delete_topics(left, operation_timeout=20).values():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        time.sleep(0.05)


def _wait_until_logs_are_gone(data: Path, names: Collection[str]) -> None:
    """A broker reports a deletion before it closes the logs, which could take records of a new topic of that name."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while open_logs := [each.name for each in data.glob("*-[0-9]*") if each.name.rpartition("-")[0] in names]:
        assert time.monotonic() < deadline, f"logs stay open: {open_logs}"
        time.sleep(0.01)


@dataclass(frozen=True)
class ServerControl:
    """Kills, freezes, stops and starts the session's servers."""

    settings: Settings

    def pid(self, server: Server) -> int:
        """Process id of the server as it runs now; 0 where it does not."""
        return int(Supervisor(self.settings).processes()[_FULL_NAMES[server]]["pid"])

    def kill9(self, server: Server) -> None:
        """Kill the server. The supervisor starts it again."""
        os.kill(self.pid(server), signal.SIGKILL)

    def pause(self, server: Server) -> None:
        """Freeze the server: it keeps its connections and answers nothing."""
        os.kill(self.pid(server), signal.SIGSTOP)

    def resume(self, server: Server) -> None:
        """Resume a frozen server."""
        os.kill(self.pid(server), signal.SIGCONT)

    def stop(self, server: Server) -> None:
        """Stop the server in order; it stays down until `start`."""
        Supervisor(self.settings).stop(_FULL_NAMES[server])

    def start(self, server: Server) -> None:
        """Start a stopped server and wait until it answers."""
        Supervisor(self.settings).start(_FULL_NAMES[server])
        self.wait_until_up(server)

    def wait_until_up(self, server: Server) -> None:
        """Wait until the server answers."""
        answers = {"kafka": broker_answers, "postgres": server_answers, "connect": connect_answers}[server]
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not answers(self.settings):
            assert time.monotonic() < deadline, f"{server} does not come back"
            time.sleep(0.1)


@pytest.fixture
def server_control(servers: Settings) -> Iterator[ServerControl]:
    """Kill, pause, stop and start the session's servers. They run again when the test is over."""
    control = ServerControl(servers)
    yield control
    for server in ("kafka", "postgres"):
        if control.pid(server):
            with contextlib.suppress(ProcessLookupError):
                control.resume(server)
        control.start(server)
