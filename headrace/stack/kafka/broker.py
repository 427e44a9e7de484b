"""One Kafka broker in KRaft mode: its settings, its storage, and the command that runs it."""

import base64
import shutil
import subprocess
import uuid
from pathlib import Path

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import HOST, Settings
from headrace.contracts.topic import MAX_DEAD_LETTER_BYTES
from headrace.stack.files import PRIVATE, PRIVATE_UMASK, make_folder, write_file
from headrace.stack.kafka.jars import JARS
from headrace.stack.kafka.java import Java
from headrace.stack.kafka.users import login_settings, prepare_clients, scram_arguments

_SMALL_PROCESS = (
    "-Xms64m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:MaxMetaspaceSize=160m",
    "-XX:ReservedCodeCacheSize=64m",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",  # the supervisor restarts it; a broker without memory does not work
)
QUIET_LOG = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
    "-Djava.awt.headless=true",
)


def broker_command(settings: Settings, java: Java) -> list[str]:
    """The command that runs the broker in the foreground."""
    return [*_java(java), "kafka.Kafka", str(_properties_file(settings))]


def new_cluster_id() -> str:
    """A random id in Kafka's format. It never begins with a dash, which Kafka's tools would read as an option."""
    while True:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode("ascii")
        if not cluster_id.startswith("-"):
            return cluster_id


def prepare_broker(settings: Settings, java: Java) -> None:
    """Write the broker's settings and, in a new home, format its storage.

    Raises:
        Terminal: Kafka could not format the storage.
    """
    folder = _folder(settings)
    make_folder(folder)
    formatted = folder / "formatted"
    if not formatted.exists():
        _knows_users(settings).touch(mode=PRIVATE)
    first_login = not _knows_users(settings).exists()
    prepare_clients(settings, first_login=first_login)
    properties = _properties_file(settings)
    given = broker_properties(settings, first_login=first_login)
    write_file(properties, "".join(f"{name}={value}\n" for name, value in given.items()))
    if formatted.exists():
        return
    # An interrupted format leaves no marker: start from scratch.
    shutil.rmtree(_data(settings), ignore_errors=True)
    cluster_id = new_cluster_id()
    arguments = folder / "format.arguments"  # a command line would show the passwords to every account
    write_file(arguments, scram_arguments(settings))
    command = [*_java(java), "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(properties)]
    run = subprocess.run([*command, f"@{arguments}"], capture_output=True, text=True, check=False, umask=PRIVATE_UMASK)
    arguments.unlink()
    if run.returncode:
        reason = (run.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise Terminal(
            f"Kafka could not format its storage in {folder}: {reason}.", remedy="Check that the folder can be written."
        )
    write_file(formatted, cluster_id + "\n")


def users_are_known(settings: Settings) -> None:
    """Record that the broker has every user: from its next start on, the admin logs in with SCRAM like all others."""
    if not _knows_users(settings).exists():
        prepare_clients(settings)
        _knows_users(settings).touch(mode=PRIVATE)


def broker_properties(settings: Settings, *, first_login: bool = False) -> dict[str, str | int]:
    """The broker's settings: one node, loopback only, small."""
    kafka, controller = settings.port("kafka"), settings.port("kafka-controller")
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listeners": f"CLIENTS://{HOST}:{kafka},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"CLIENTS://{HOST}:{kafka}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENTS",
        "listener.security.protocol.map": "CONTROLLER:SASL_PLAINTEXT,CLIENTS:SASL_PLAINTEXT",
        **login_settings(settings, first_login=first_login),
        "log.dirs": str(_data(settings)),
        # Topics come from the contracts; a misspelled name must fail, not create a topic.
        "auto.create.topics.enable": "false",
        "message.max.bytes": MAX_DEAD_LETTER_BYTES + 48_576,
        # One node: one replica.
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        # After a kill, a restarted broker registers once its previous session has expired.
        "broker.heartbeat.interval.ms": 500,
        "broker.session.timeout.ms": 3_000,
        # The cleaner's default buffer would take a third of the heap.
        "log.cleaner.dedupe.buffer.size": 16_777_216,
        # Flushed in the background: a flush before each acknowledgment makes a small transaction five times as slow. A
        # power failure loses the last second or two (`docs/explanation/landing.md`).
        "log.flush.interval.ms": 1_000,
        "log.flush.scheduler.interval.ms": 1_000,
        "num.network.threads": 2,
        "num.io.threads": 4,
    }


def _folder(settings: Settings) -> Path:
    return settings.root / "kafka"


def _data(settings: Settings) -> Path:
    return _folder(settings) / "data"


def _properties_file(settings: Settings) -> Path:
    return _folder(settings) / "server.properties"


def _knows_users(settings: Settings) -> Path:
    """Marker file: the broker's storage has the passwords of its users."""
    return _folder(settings) / "knows-users"


def _java(java: Java) -> list[str]:
    return [java.command, *_SMALL_PROCESS, *QUIET_LOG, "-cp", str(JARS / "*")]
