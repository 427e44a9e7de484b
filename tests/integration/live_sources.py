"""Live sources as processes of their own, killed at random, and what a `read_committed` reader sees of them."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.sources.live import positions
from headrace.streaming.sources.live.positions import Entry
from tests.integration.landers import environment
from tests.integration.processor_instances import read_all

DEADLINE_SECONDS = 90.0
KILLS = 20
LEAST_LIFE_SECONDS, MOST_LIFE_SECONDS = 0.2, 4.0
"""A process needs about a second to its first commit on an idle machine: some are killed before it, most after."""


@dataclass
class SourceProcess:
    """One `headrace source NAME`, as the supervisor would start it."""

    settings: Settings
    name: str
    given: Mapping[str, str]
    log: Path = field(init=False)
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.settings.root.mkdir(parents=True, exist_ok=True)
        self.log = self.settings.root / f"source-{self.name.replace(':', '.')}-{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "headrace", "source", self.name],
                env=environment(self.settings, **self.given), stdout=log, stderr=log,
            )  # fmt: skip

    def kill9(self) -> None:
        self.process.kill()
        self.process.wait()

    def finish(self) -> None:
        """Ask it to end in order, once it handles the signal."""
        wait_for(self._catches_sigterm, self.log.read_text)
        self.process.terminate()
        assert self.process.wait(DEADLINE_SECONDS) == 0, self.log.read_text()

    def _catches_sigterm(self) -> bool:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        (caught,) = (int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:"))
        return bool(caught >> (signal.SIGTERM - 1) & 1)


@contextmanager
def running(settings: Settings, name: str, **given: str) -> Iterator[SourceProcess]:
    """A source for the length of a block; killed at its end if it still runs."""
    process = SourceProcess(settings, name, given)
    try:
        yield process
    finally:
        process.kill9()


def killed_at_random(
    settings: Settings, name: str, given: Mapping[str, str], done: Callable[[], bool], *, seed: int = 1
) -> None:
    """Kill the source again and again, then run it until `done` reports that it has everything."""
    chance = random.Random(f"{name}{seed}")
    for _ in range(KILLS):
        with running(settings, name, **given) as doomed:
            time.sleep(chance.uniform(LEAST_LIFE_SECONDS, MOST_LIFE_SECONDS))
            assert doomed.process.poll() is None, doomed.log.read_text()
    with running(settings, name, **given) as last:
        wait_for(done, lambda: f"{name} did not come to its end: {last.log.read_text()[-3_000:]}")
        last.finish()


def wait_for(done: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not done():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.2)


def entries(settings: Settings, name: str) -> dict[str, Entry]:
    """Where the streams of a source stand, as committed."""
    positions.create(settings)
    return positions.read(settings, name)


def inputs(settings: Settings, name: str) -> int:
    return sum(entry.inputs for entry in entries(settings, name).values())


def events(settings: Settings, topic: str, source: str) -> list[dict[str, Any]]:
    """Every committed event of a source, in the order of each partition."""
    rows = read_all(settings, topic, TOPICS[topic].partitions)
    values = [orjson.loads(value) for _, _, value in rows if value is not None]
    return [value for value in values if value["source"] == source]


def ids(settings: Settings, topic: str, source: str) -> Counter[str]:
    """How often each event of a source is in a topic."""
    return Counter(event["event_id"] for event in events(settings, topic, source))


def letters(settings: Settings, topic: str) -> list[bytes]:
    """The dead letters of a topic."""
    return [value or b"" for _, _, value in read_all(settings, TOPICS[topic].dead_letter, 1)]
