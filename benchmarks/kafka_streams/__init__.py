"""Kafka Streams doing the same as the processor that `make bench-processing` measures, as a process to measure."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headrace.contracts.settings import Settings
from headrace.stack.files import write_file
from headrace.stack.kafka.java import find_java
from headrace.streaming.runtime.clients import java_connection

HERE = Path(__file__).parent
JARS = Path(sys.prefix, "share", "headrace", "kafka-streams-peer")
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
COMMIT_MS = 100


def fetch() -> None:
    """Fetch the peer's jars with Maven, once."""
    if not JARS.is_dir():
        fetched = JARS.with_suffix(".fetched")
        subprocess.run(
            ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), _COPY, f"-DoutputDirectory={fetched}"], check=True
        )
        fetched.rename(JARS)


@contextmanager
def running(settings: Settings, application_id: str, threads: int, state: Path) -> Iterator[int]:
    """The peer during the block; yields its process id."""
    command = [
        find_java(settings).command,
        "-Xmx1g",
        "-cp",
        f"{JARS}/*",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    ]
    login = state.with_suffix(".properties")
    write_file(login, "".join(f"{name}={value}\n" for name, value in java_connection(settings).items()))
    given = [str(login), application_id, str(threads), str(COMMIT_MS), str(state)]
    # A JDK compiles and runs a single source file.
    process = subprocess.Popen([*command, str(HERE / "Peer.java"), *given])
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)
