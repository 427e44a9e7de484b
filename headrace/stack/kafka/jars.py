"""Kafka's jars: resolved by Maven from the `pom.xml` beside this file, checked against `jars.sha256`.

They live in the Python environment that runs the command, so each project or installation has its own.
"""

import hashlib
import shutil
import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path

from contracts.errors import Terminal

KAFKA_VERSION = "4.3.1"
JARS = Path(sys.prefix, "share", "headrace", f"kafka-{KAFKA_VERSION}")
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def expected_jars() -> dict[str, str]:
    """SHA-256 of every jar, by file name."""
    lines = files("headrace.stack.kafka").joinpath("jars.sha256").read_text("ascii").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def jars_present(folder: Path = JARS) -> bool:
    """Whether every jar is there. A folder only gets its name once its content was checked."""
    return all((folder / name).is_file() for name in expected_jars())


def fetch_jars(folder: Path = JARS) -> None:
    """Have Maven fetch the jars into `folder`.

    Raises:
        Terminal: Maven is missing or failed, or what it fetched is not what was expected.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise Terminal("Kafka is fetched by Maven, and there is no `mvn` here.", remedy="Install Maven.")
    fetched = folder.with_name(folder.name + ".fetched")
    shutil.rmtree(fetched, ignore_errors=True)
    fetched.mkdir(parents=True)
    with as_file(files("headrace.stack.kafka").joinpath("pom.xml")) as pom:
        run = subprocess.run(
            [maven, "--quiet", "--batch-mode", "--file", str(pom), _COPY, f"-DoutputDirectory={fetched}"],
            capture_output=True,
            text=True,
            check=False,
        )
    if run.returncode:
        reason = next((line for line in run.stdout.splitlines() if "ERROR" in line), "no reason was given")
        raise Terminal(f"Maven could not fetch Kafka: {reason}.", remedy="Check the network and Maven's settings.xml.")
    wrong = _unexpected(fetched)
    if wrong:
        raise Terminal(
            f"Maven fetched jars that are not those expected: {', '.join(sorted(wrong))}.",
            remedy="Remove them from Maven's local repository and run `headrace setup` again.",
        )
    shutil.rmtree(folder, ignore_errors=True)
    fetched.rename(folder)


def _unexpected(folder: Path) -> set[str]:
    """Names of jars that are missing, too many, or of other content."""
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.iterdir()}
    return {name for name, _ in found.items() ^ expected_jars().items()}
