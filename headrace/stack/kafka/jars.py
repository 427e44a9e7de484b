"""The jars: which there are (the `.xml` files in this folder, for Maven), their hashes and paths in a Maven repository
(the `.sha256` lists), and where they are kept.

If the Python environment has a folder `share/headrace`, as that of a working copy has, they are in it: then every
account that uses the environment shares them. Otherwise they are in the user's cache, since an installation may be
read-only.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.stack.kafka import maven
from headrace.stack.kafka.java import Java

KAFKA_VERSION = "4.3.1"
DEBEZIUM_VERSION = "3.5.0.Final"
_HERE = files("headrace.stack.kafka")


def _home() -> Path:
    own = Path(sys.prefix, "share", "headrace")
    if own.is_dir():
        return own
    # Installations of other versions share the cache, and their parts must not meet in one folder.
    parts = sorted((each for each in _HERE.iterdir() if each.name.endswith((".sha256", ".java"))), key=lambda x: x.name)
    version = hashlib.sha256(b"".join(each.read_bytes() for each in parts)).hexdigest()[:12]
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "headrace", f"jars-{version}")


_HOME = _home()

JARS = _HOME / f"kafka-{KAFKA_VERSION}"
PLUGINS = _HOME / f"connect-{DEBEZIUM_VERSION}"
"""Connect's plugin path: one folder per plugin."""

CONVERTER = "headrace.connect.ContractConverter"
SINK = "headrace.connect.IsolatingJdbcSink"
_OLDEST_RELEASE = "17"


@dataclass(frozen=True)
class Bundle:
    """The jars of `<name>.xml`, as listed in `<name>.sha256`."""

    name: str
    title: str
    folder: Path

    def paths(self) -> dict[str, str]:
        """SHA-256 of every jar, by its path in a Maven repository."""
        lines = _HERE.joinpath(f"{self.name}.sha256").read_text("ascii").splitlines()
        return {path: digest for digest, path in (line.split() for line in lines)}

    def expected(self) -> dict[str, str]:
        """SHA-256 of every jar, by file name."""
        return {path.rpartition("/")[2]: digest for path, digest in self.paths().items()}

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


def fetch(bundle: Bundle, settings: Settings) -> None:
    """Fetch the jars of a bundle into its folder.

    Raises:
        Terminal: they cannot be fetched or stored, or are not the expected ones.
    """
    with _beside(bundle.folder) as fetched:
        maven.fetch(bundle.title, _HERE.joinpath(f"{bundle.name}.xml"), bundle.paths(), fetched, settings)
        wrong = _unexpected(fetched, bundle.expected())
        if wrong:
            raise Terminal(
                f"Unexpected jars were fetched: {', '.join(sorted(wrong))}.",
                remedy="Remove them from Maven's local repository, or name another one with HEADRACE_MAVEN_REPOSITORY,"
                " and run `headrace setup` again.",
            )
        fetched.chmod(0o755)  # jars are public, and other accounts may use the environment
        if not bundle.present():  # else another process was first
            shutil.rmtree(bundle.folder, ignore_errors=True)
            fetched.rename(bundle.folder)


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A new folder beside this one."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise Terminal(
            f"The jars cannot be stored in {folder.parent}: {error.strerror}.",
            remedy="Name a folder for them with XDG_CACHE_HOME, or run `headrace setup` as the owner of the folder.",
        ) from None
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


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
