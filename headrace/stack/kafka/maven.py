"""Fetches jars from a Maven repository: with Maven, or directly where there is none. `jars` checks what was fetched.

Which repository is a matter of the machine, so none is named here: Maven knows its own, and without Maven the setting
`maven_repository` or a mirror in Maven's own `settings.xml` names it.
"""

import re
import shutil
import ssl
import subprocess
from collections.abc import Iterable
from importlib.resources import as_file
from importlib.resources.abc import Traversable
from pathlib import Path
from xml.etree import ElementTree

import httpx
import stamina

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_ADDRESS = re.compile(r"https?://")
_LOGIN = re.compile(r"(?<=://)[^/?#\s]*@")
_OF_CENTRAL = {"*", "external:*", "external:http:*", "central"}
"""Values of `mirrorOf` by which a mirror serves Maven's standard repository."""
_TIMEOUT_SECONDS = 60.0
_ATTEMPTS = 3


def fetch(title: str, pom: Traversable, paths: Iterable[str], folder: Path, settings: Settings) -> None:
    """Fetch jars into a folder.

    Args:
        title: what they are, for messages.
        pom: the file from which Maven resolves them.
        paths: the same jars by their path in a repository.
        folder: an empty folder.
        settings: those of the stack.

    Raises:
        Terminal: there is neither Maven nor a repository, or a jar could not be fetched.
    """
    maven = shutil.which("mvn")
    repository = settings.maven_repository or (None if maven else mirror(Path.home() / ".m2" / "settings.xml"))
    if repository is not None:
        _copy(repository, paths, folder)
    elif maven is not None:
        _resolve(maven, title, pom, folder)
    else:
        raise Terminal(
            f"{title} comes from a Maven repository: there is no `mvn` command, and ~/.m2/settings.xml has no mirror.",
            remedy="Install Maven, or set HEADRACE_MAVEN_REPOSITORY to the address or the folder of a repository.",
        )


def mirror(settings_xml: Path) -> str | None:
    """The address of the first mirror of Maven's standard repository in a `settings.xml`; None if there is none.

    Raises:
        Terminal: the file cannot be read.
    """
    try:
        tree = ElementTree.parse(settings_xml)  # noqa: S314  the user's own file
    except FileNotFoundError:
        return None
    except (OSError, ElementTree.ParseError) as error:
        raise Terminal(f"{settings_xml} cannot be read: {error}.", remedy="Correct the file.") from None
    for each in tree.iterfind("{*}mirrors/{*}mirror"):
        served = {name.strip() for name in (each.findtext("{*}mirrorOf") or "").split(",")}
        address = (each.findtext("{*}url") or "").strip()
        if served & _OF_CENTRAL and "!central" not in served and _ADDRESS.match(address):
            return address
    return None


def _resolve(maven: str, title: str, pom: Traversable, folder: Path) -> None:
    with as_file(pom) as file:
        run = subprocess.run(
            [maven, "--quiet", "--batch-mode", "--file", str(file), _COPY, f"-DoutputDirectory={folder}"],
            capture_output=True,
            text=True,
            check=False,
        )
    if run.returncode:
        reason = next((line for line in run.stdout.splitlines() if "ERROR" in line), "no reason was given")
        remedy = "Check the network and Maven's settings.xml."
        raise Terminal(f"Maven could not fetch {title}: {reason}.", remedy=remedy)


def _copy(repository: str, paths: Iterable[str], folder: Path) -> None:
    """Copy or download each path from a repository, which is a folder or an address."""
    shown = _LOGIN.sub("", repository)
    try:
        if _ADDRESS.match(repository):
            # The certificates of the machine, so that it works behind a proxy that opens TLS.
            with httpx.Client(
                verify=ssl.create_default_context(), follow_redirects=True, timeout=_TIMEOUT_SECONDS
            ) as client:
                for path in paths:
                    content = _download(client, f"{repository.rstrip('/')}/{path}")
                    (folder / Path(path).name).write_bytes(content)
        else:
            for path in paths:
                shutil.copyfile(Path(repository).expanduser() / path, folder / Path(path).name)
    except httpx.HTTPStatusError as error:
        reason = f"{error.response.status_code} for {_LOGIN.sub('', str(error.request.url))}"
        raise _failed(shown, reason) from None
    except (httpx.HTTPError, OSError) as error:
        raise _failed(shown, _LOGIN.sub("", str(error))) from None


def _failed(repository: str, reason: str) -> Terminal:
    return Terminal(
        f"The Maven repository {repository} did not give the jars: {reason}.",
        remedy="Check the network, and HEADRACE_MAVEN_REPOSITORY or the mirror in ~/.m2/settings.xml.",
    )


@stamina.retry(on=httpx.TransportError, attempts=_ATTEMPTS)
def _download(client: httpx.Client, address: str) -> bytes:
    return client.get(address).raise_for_status().content
