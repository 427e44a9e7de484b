"""Fetching jars without Maven: from a folder or an address, checked by hash."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.stack.kafka import jars
from headrace.stack.kafka.maven import mirror

_PATHS = ("org/example/one/1.0/one-1.0.jar", "org/example/two/2.0/two-2.0.jar")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for path in _PATHS:
        jar = tmp_path / "repository" / path
        jar.parent.mkdir(parents=True)
        jar.write_bytes(path.encode())
    return tmp_path / "repository"


@pytest.fixture
def address(repository: Path) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(repository))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://somebody:secret@127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> jars.Bundle:
    lists = tmp_path / "lists"
    lists.mkdir()
    lines = [f"{hashlib.sha256(path.encode()).hexdigest()}  {path}\n" for path in _PATHS]
    (lists / "example.sha256").write_text("".join(lines))
    monkeypatch.setattr(jars, "_HERE", lists)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return jars.Bundle("example", "An example", tmp_path / "jars" / "example-1")


def _settings(home: Path, repository: object) -> Settings:
    return Settings(home=home, maven_repository=str(repository))


def test_jars_come_from_a_folder_without_maven(bundle: jars.Bundle, repository: Path, tmp_path: Path) -> None:
    jars.fetch(bundle, _settings(tmp_path, repository))
    assert bundle.present()
    assert [each.name for each in bundle.folder.parent.iterdir()] == [bundle.folder.name]


def test_jars_come_from_an_address_without_maven(bundle: jars.Bundle, address: str, tmp_path: Path) -> None:
    jars.fetch(bundle, _settings(tmp_path, address))
    assert bundle.present()


def test_jars_come_from_the_mirror_in_mavens_settings(bundle: jars.Bundle, address: str, tmp_path: Path) -> None:
    _write_settings(tmp_path, f"<mirror><mirrorOf>external:*,!other</mirrorOf><url>{address}</url></mirror>")
    jars.fetch(bundle, Settings(home=tmp_path))
    assert bundle.present()


def test_a_jar_of_other_content_is_refused_and_not_kept(bundle: jars.Bundle, repository: Path, tmp_path: Path) -> None:
    (repository / _PATHS[1]).write_bytes(b"other")
    with pytest.raises(Terminal, match=r"Unexpected jars were fetched: two-2\.0\.jar"):
        jars.fetch(bundle, _settings(tmp_path, repository))
    assert list(bundle.folder.parent.iterdir()) == []


def test_a_missing_jar_is_an_error_without_the_password(
    bundle: jars.Bundle, repository: Path, address: str, tmp_path: Path
) -> None:
    (repository / _PATHS[1]).unlink()
    with pytest.raises(Terminal, match=r"404 for .*two-2\.0\.jar") as caught:
        jars.fetch(bundle, _settings(tmp_path, address))
    assert "secret" not in str(caught.value)


def test_without_maven_and_repository_the_error_names_both(bundle: jars.Bundle, tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="Install Maven, or set HEADRACE_MAVEN_REPOSITORY"):
        jars.fetch(bundle, Settings(home=tmp_path))


def test_a_folder_that_cannot_be_written_is_an_error(bundle: jars.Bundle, repository: Path, tmp_path: Path) -> None:
    bundle.folder.parent.write_text("not a folder")
    with pytest.raises(Terminal, match=r"cannot be stored .* XDG_CACHE_HOME"):
        jars.fetch(bundle, _settings(tmp_path, repository))


def test_a_mirror_of_other_repositories_is_not_taken(tmp_path: Path) -> None:
    settings = _write_settings(
        tmp_path,
        "<mirror><mirrorOf>snapshots</mirrorOf><url>http://a/</url></mirror>"
        "<mirror><mirrorOf>*,!central</mirrorOf><url>http://b/</url></mirror>"
        "<mirror><mirrorOf>central</mirrorOf><url> http://c/ </url></mirror>",
    )
    assert mirror(settings) == "http://c/"
    assert mirror(tmp_path / "none.xml") is None


def _write_settings(home: Path, mirrors: str) -> Path:
    path = home / ".m2" / "settings.xml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'<settings xmlns="http://maven.apache.org/SETTINGS/1.2.0"><mirrors>{mirrors}</mirrors></settings>')
    return path
