"""The jars: resolved by Maven from the `.xml` files in this folder, checked against the `.sha256` lists.

They are stored in the Python environment that runs the command, so each installation has its own.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from headrace.contracts.errors import Terminal
from headrace.stack.kafka.java import Java

KAFKA_VERSION = "4.3.1"
DEBEZIUM_VERSION = "3.5.0.Final"
_HOME = Path(sys.prefix, "share", "headrace")
_HERE = files("headrace.stack.kafka")
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

JARS = _HOME / f"kafka-{KAFKA_VERSION}"
PLUGINS = _HOME / f"connect-{DEBEZIUM_VERSION}"
"""Connect's plugin path: one folder per plugin."""

CONVERTER = "headrace.connect.ContractConverter"
SINK = "headrace.connect.IsolatingJdbcSink"
_OLDEST_RELEASE = "17"


@dataclass(frozen=True)
class Bundle:
    """The jars that Maven resolves from `<name>.xml`."""

    name: str
    title: str
    folder: Path

    def expected(self) -> dict[str, str]:
        """SHA-256 of every jar, by file name."""
        lines = _HERE.joinpath(f"{self.name}.sha256").read_text("ascii").splitlines()
        return {name: digest for digest, name in (line.split() for line in lines)}

    def present(self) -> bool:
        """Whether every jar exists. A folder only gets its final name once its content was verified."""
        return all((self.folder / name).is_file() for name in self.expected())


@dataclass(frozen=True)
class OwnPart:
    """A Connect plugin of our own: one Java file, compiled by `headrace setup` into a plugin folder."""

    class_name: str
    service: str
    folder: Path
    beside: Path | None = None
    """Folder of jars on its class path in addition to Kafka's."""

    @property
    def source(self) -> str:
        return self.class_name.rpartition(".")[2] + ".java"

    @property
    def jar(self) -> Path:
        """The jar, named by its source, so that a changed source is compiled again."""
        digest = hashlib.sha256(_HERE.joinpath(self.source).read_bytes()).hexdigest()
        return self.folder / f"headrace-{self.source.removesuffix('.java').lower()}-{digest[:12]}.jar"


KAFKA = Bundle("kafka", f"Kafka {KAFKA_VERSION}", JARS)
JDBC_SINK = Bundle("jdbc-sink", f"Debezium's JDBC sink {DEBEZIUM_VERSION}", PLUGINS / "jdbc-sink")
POSTGRES_SOURCE = Bundle(
    "postgres-source", f"Debezium's PostgreSQL source {DEBEZIUM_VERSION}", PLUGINS / "postgres-source"
)
COMPILER = Bundle("compiler", "Eclipse's Java compiler", _HOME / "compiler")
CONNECT_LOGIN = Bundle("connect-login", "Connect's basic authentication", _HOME / f"connect-login-{KAFKA_VERSION}")
BUNDLES = (KAFKA, JDBC_SINK, POSTGRES_SOURCE, CONNECT_LOGIN, COMPILER)
OWN_PARTS = (
    OwnPart(CONVERTER, "org.apache.kafka.connect.storage.Converter", PLUGINS / "headrace"),
    OwnPart(SINK, "org.apache.kafka.connect.sink.SinkConnector", JDBC_SINK.folder, JDBC_SINK.folder),
)


def plugins_present() -> bool:
    """Whether all plugins of Connect are present."""
    fetched = all(bundle.present() for bundle in (JDBC_SINK, POSTGRES_SOURCE, CONNECT_LOGIN))
    return fetched and all(part.jar.is_file() for part in OWN_PARTS)


def missing() -> Iterator[str]:
    """Titles of what `fetch` and `compile_own` would add."""
    yield from (bundle.title for bundle in BUNDLES if not bundle.present())
    if not all(part.jar.is_file() for part in OWN_PARTS):
        yield "our own parts of Connect"


def fetch(bundle: Bundle) -> None:
    """Fetch the jars of a bundle into its folder with Maven.

    Raises:
        Terminal: Maven is missing or failed, or the fetched jars are not the expected ones.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise Terminal(f"{bundle.title} is fetched with Maven, and there is no `mvn` command.", remedy="Install Maven.")
    fetched = bundle.folder.with_name(bundle.folder.name + ".fetched")
    shutil.rmtree(fetched, ignore_errors=True)
    fetched.mkdir(parents=True)
    with as_file(_HERE.joinpath(f"{bundle.name}.xml")) as pom:
        run = subprocess.run(
            [maven, "--quiet", "--batch-mode", "--file", str(pom), _COPY, f"-DoutputDirectory={fetched}"],
            capture_output=True,
            text=True,
            check=False,
        )
    if run.returncode:
        reason = next((line for line in run.stdout.splitlines() if "ERROR" in line), "no reason was given")
        remedy = "Check the network and Maven's settings.xml."
        raise Terminal(f"Maven could not fetch {bundle.title}: {reason}.", remedy=remedy)
    wrong = _unexpected(fetched, bundle.expected())
    if wrong:
        raise Terminal(
            f"Maven fetched unexpected jars: {', '.join(sorted(wrong))}.",
            remedy="Remove them from Maven's local repository and run `headrace setup` again.",
        )
    shutil.rmtree(bundle.folder, ignore_errors=True)
    fetched.rename(bundle.folder)


def compile_own(java: Java) -> None:
    """Compile our own plugins of Connect, and put them on the plugin path.

    Raises:
        Terminal: a plugin does not compile.
    """
    for part in OWN_PARTS:
        if not part.jar.is_file():
            _compile(part, java)


def _compile(part: OwnPart, java: Java) -> None:
    jar = part.jar
    (compiler,) = COMPILER.folder.glob("*.jar")
    # Without our own older jars.
    beside = [] if part.beside is None else [part.beside / name for name in JDBC_SINK.expected()]
    libraries = os.pathsep.join(map(str, [*sorted(JARS.glob("*.jar")), *beside]))
    with tempfile.TemporaryDirectory() as folder, as_file(_HERE.joinpath(part.source)) as source:
        command = [java.command, "-jar", str(compiler), "--release", _OLDEST_RELEASE, "-d", folder, "-cp", libraries]
        run = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
        if run.returncode:
            reason = (run.stderr.strip() or run.stdout.strip()).splitlines()[-1:] or ["no reason was given"]
            raise Terminal(f"{part.source} does not compile: {reason[0]}.", remedy="Check the Java in use.")
        part.folder.mkdir(parents=True, exist_ok=True)
        for former in (*part.folder.glob(f"{jar.name[:-17]}-*.jar"), *part.folder.glob("converter-*.jar")):
            former.unlink()
        aside = jar.with_suffix(".new")
        with zipfile.ZipFile(aside, "w") as archive:
            archive.writestr(f"META-INF/services/{part.service}", part.class_name + "\n")
            for compiled in sorted(Path(folder).rglob("*.class")):
                archive.write(compiled, compiled.relative_to(folder))
        aside.rename(jar)


def _unexpected(folder: Path, expected: dict[str, str]) -> set[str]:
    """Names of jars that are missing, extra, or of other content."""
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.iterdir()}
    return {name for name, _ in found.items() ^ expected.items()}
