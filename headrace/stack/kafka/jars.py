"""The jars: resolved by Maven from the `.xml` files beside this one, checked against the `.sha256` lists.

They live in the Python environment that runs the command, so each project or installation has its own.
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

from contracts.errors import Terminal
from headrace.stack.kafka.java import Java

KAFKA_VERSION = "4.3.1"
DEBEZIUM_VERSION = "3.5.0.Final"
_HOME = Path(sys.prefix, "share", "headrace")
_HERE = files("headrace.stack.kafka")
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

JARS = _HOME / f"kafka-{KAFKA_VERSION}"
PLUGINS = _HOME / f"connect-{DEBEZIUM_VERSION}"
"""Connect's plugin path: a folder a plugin."""

CONVERTER = "headrace.connect.ContractConverter"
_CONVERTER_SOURCE = "ContractConverter.java"
_SERVICE = "META-INF/services/org.apache.kafka.connect.storage.Converter"
_OLDEST_RELEASE = "17"


@dataclass(frozen=True)
class Bundle:
    """Jars that go together: what Maven resolves from `<name>.xml`."""

    name: str
    title: str
    folder: Path

    def expected(self) -> dict[str, str]:
        """SHA-256 of every jar, by file name."""
        lines = _HERE.joinpath(f"{self.name}.sha256").read_text("ascii").splitlines()
        return {name: digest for digest, name in (line.split() for line in lines)}

    def present(self) -> bool:
        """Whether every jar is there. A folder only gets its name once its content was checked."""
        return all((self.folder / name).is_file() for name in self.expected())


KAFKA = Bundle("kafka", f"Kafka {KAFKA_VERSION}", JARS)
JDBC_SINK = Bundle("jdbc-sink", f"Debezium's JDBC sink {DEBEZIUM_VERSION}", PLUGINS / "jdbc-sink")
POSTGRES_SOURCE = Bundle(
    "postgres-source", f"Debezium's PostgreSQL source {DEBEZIUM_VERSION}", PLUGINS / "postgres-source"
)
COMPILER = Bundle("compiler", "Eclipse's Java compiler", _HOME / "compiler")
BUNDLES = (KAFKA, JDBC_SINK, POSTGRES_SOURCE, COMPILER)


def plugins_present() -> bool:
    """Whether Connect has every plugin it needs."""
    return JDBC_SINK.present() and POSTGRES_SOURCE.present() and _converter_jar().is_file()


def missing() -> Iterator[str]:
    """What `fetch` and `compile_converter` would bring, in words."""
    yield from (bundle.title for bundle in BUNDLES if not bundle.present())
    if not _converter_jar().is_file():
        yield "Connect's converter"


def fetch(bundle: Bundle) -> None:
    """Have Maven fetch the jars of a bundle into its folder.

    Raises:
        Terminal: Maven is missing or failed, or what it fetched is not what was expected.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise Terminal(f"{bundle.title} is fetched by Maven, and there is no `mvn` here.", remedy="Install Maven.")
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
            f"Maven fetched jars that are not those expected: {', '.join(sorted(wrong))}.",
            remedy="Remove them from Maven's local repository and run `headrace setup` again.",
        )
    shutil.rmtree(bundle.folder, ignore_errors=True)
    fetched.rename(bundle.folder)


def compile_converter(java: Java) -> None:
    """Compile Connect's converter, and put it on the plugin path.

    Raises:
        Terminal: it does not compile.
    """
    jar = _converter_jar()
    (compiler,) = COMPILER.folder.glob("*.jar")
    libraries = os.pathsep.join(map(str, sorted(JARS.glob("*.jar"))))
    with tempfile.TemporaryDirectory() as folder, as_file(_HERE.joinpath(_CONVERTER_SOURCE)) as source:
        command = [java.command, "-jar", str(compiler), "--release", _OLDEST_RELEASE, "-d", folder, "-cp", libraries]
        run = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
        if run.returncode:
            reason = (run.stderr.strip() or run.stdout.strip()).splitlines()[-1:] or ["no reason was given"]
            raise Terminal(f"Connect's converter does not compile: {reason[0]}.", remedy="Check the Java in use.")
        shutil.rmtree(jar.parent, ignore_errors=True)
        jar.parent.mkdir(parents=True)
        aside = jar.with_suffix(".new")
        with zipfile.ZipFile(aside, "w") as archive:
            archive.writestr(_SERVICE, CONVERTER + "\n")
            for compiled in sorted(Path(folder).rglob("*.class")):
                archive.write(compiled, compiled.relative_to(folder))
        aside.rename(jar)


def _converter_jar() -> Path:
    """Where the converter's jar is, named by its source, so that a changed source is compiled again."""
    digest = hashlib.sha256(_HERE.joinpath(_CONVERTER_SOURCE).read_bytes()).hexdigest()
    return PLUGINS / "headrace" / f"converter-{digest[:12]}.jar"


def _unexpected(folder: Path, expected: dict[str, str]) -> set[str]:
    """Names of jars that are missing, too many, or of other content."""
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.iterdir()}
    return {name for name, _ in found.items() ^ expected.items()}
