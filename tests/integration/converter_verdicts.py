"""Connect's converter in a process of its own, for tests that compare it with the decoders."""

import base64
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headrace.contracts.delivery import connect_schema
from headrace.contracts.settings import Settings
from headrace.contracts.types import Event
from headrace.stack.kafka.jars import COMPILER, JARS, OWN_PARTS
from headrace.stack.kafka.java import find_java

_SOURCE = Path(__file__).with_name("ConverterVerdicts.java")


class Converter:
    """Asks the process."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def rows(self, values: Sequence[bytes], version: str = "") -> list[dict[str, Any] | None]:
        """The row that each value with this version in its header becomes; None where it is rejected."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        lines = b"".join(base64.b64encode(value) + f" {version}".rstrip().encode() + b"\n" for value in values)
        # The process answers while it is asked: neither waits for the other's pipe.
        asking = threading.Thread(target=self._ask, args=(lines,))
        asking.start()
        answers = [self._process.stdout.readline() for _ in values]
        asking.join()
        return [json.loads(answer).get("row") for answer in answers]

    def _ask(self, lines: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(lines)
        self._process.stdin.flush()


@contextmanager
def converter(contract: type[Event], folder: Path, version: int = 1) -> Iterator[Converter]:
    """The converter for one contract; `folder` is for what is compiled."""
    java = find_java(Settings()).command
    (compiler,) = COMPILER.folder.glob("*.jar")
    classes = os.pathsep.join(map(str, [folder, OWN_PARTS[0].jar, *sorted(JARS.glob("*.jar"))]))
    subprocess.run(
        [java, "-jar", str(compiler), "--release", "17", "-d", str(folder), "-cp", classes, str(_SOURCE)], check=True
    )
    command = [java, "-XX:TieredStopAtLevel=1", "-cp", classes, "ConverterVerdicts"]
    schema = json.dumps(connect_schema(contract))
    with subprocess.Popen([*command, schema, str(version)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Converter(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
