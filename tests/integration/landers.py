"""Real lander processes for tests: start, kill, wait, and reconcile their results with the topics."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from headrace.contracts.settings import Settings
from headrace.contracts.topics import EVENT_TOPICS
from headrace.operations.reconciliation.compare import Reconciliation
from headrace.operations.reconciliation.stack import reconcile_stack
from headrace.streaming.landing import positions
from headrace.streaming.landing.progress import committed_ends, wait_until_landed
from headrace.streaming.runtime import clients
from headrace.warehouse.build import register
from headrace.warehouse.lake import Lake
from tests.corpus import CASES, valid_order

TOPIC = "orders"
DEADLINE_SECONDS = 60.0
QUICK = {"HEADRACE_LANDING_FLUSH_SECONDS": "0.2", "HEADRACE_LANDING_FLUSH_ROWS": "500"}


def environment(settings: Settings, **extra: str) -> dict[str, str]:
    """The environment in which a command uses these settings."""
    given = {
        "HEADRACE_HOME": str(settings.home),
        "HEADRACE_PORT_BASE": str(settings.port_base),
        "HEADRACE_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "HEADRACE_KAFKA_CONFIG": settings.kafka_config and str(settings.kafka_config),
        "HEADRACE_POSTGRES_CONNINFO": settings.postgres_conninfo,
        "HEADRACE_DATABASE": settings.database,
    }
    return os.environ | {name: value for name, value in given.items() if value is not None} | extra


@dataclass
class LanderProcess:
    """One `headrace landing run`, as the supervisor would start it."""

    settings: Settings
    index: int = 0
    failpoints: str = ""
    log: Path = field(init=False)
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.settings.root.mkdir(parents=True, exist_ok=True)
        self.log = self.settings.root / f"lander-{self.index}-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "headrace", "landing", "run", "--index", str(self.index)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env=environment(self.settings, HEADRACE_FAILPOINTS=self.failpoints, **QUICK),
                stderr=log,
                stdout=log,
            )

    def wait_for_death(self) -> int:
        """Wait until the process has ended by itself; returns its exit code, negative for a signal."""
        return self.process.wait(DEADLINE_SECONDS)

    def kill9(self) -> None:
        self.process.kill()
        self.process.wait()

    def finish(self) -> None:
        """Ask it to end in order. While it is still starting, the signal just ends it."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE_SECONDS)
        log = self.log.read_text()
        assert code == 0 or (code == -signal.SIGTERM and '"started"' not in log), log


@contextmanager
def landing(settings: Settings, index: int = 0, failpoints: str = "") -> Iterator[LanderProcess]:
    """A lander for the length of a block; killed at its end if it still runs."""
    lander = LanderProcess(settings, index, failpoints)
    try:
        yield lander
    finally:
        lander.kill9()


def produce(settings: Settings, values: Iterable[bytes | None], *, topic: str = TOPIC, pause: float = 0.0) -> int:
    """Send the values, keyed by their place; returns how many."""
    producer = clients.producer(settings, **{"linger.ms": 1})
    count = 0
    for value in values:
        producer.produce(topic, value=value, key=str(count))
        count += 1
        if pause:
            producer.poll(pause)
    assert producer.flush(DEADLINE_SECONDS) == 0
    return count


def mixed(count: int, *, first: int = 0) -> Iterator[bytes | None]:
    """Values of `count` records, some of them no valid events and some tombstones."""
    chance = random.Random(7 + first)
    bad = [case.value for case in CASES if case.refused_as and len(case.value) < 10_000]
    for number in range(first, first + count):
        draw = chance.random()
        yield None if draw < 0.02 else chance.choice(bad) if draw < 0.05 else valid_order(number)


@contextmanager
def trickle(settings: Settings, count: int, seconds: float) -> Iterator[None]:
    """Send `count` mixed records over about so many seconds meanwhile."""
    thread = threading.Thread(target=produce, args=(settings, mixed(count)), kwargs={"pause": seconds / count})
    thread.start()
    try:
        yield
    finally:
        thread.join()


def wait_for_first_commit(settings: Settings, lander: LanderProcess) -> None:
    """Wait until the lander has landed something, or is dead."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while positions.last_commit_id(settings.conninfo()) == 0 and lander.process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def landed_and_registered(settings: Settings) -> Reconciliation:
    """Wait until a running lander has landed everything, register it, and reconcile."""
    behind = wait_until_landed(settings, committed_ends(settings), timeout=DEADLINE_SECONDS)
    assert behind == 0, f"{behind} records were not landed in time"
    with Lake.open(settings) as lake:
        for topic in EVENT_TOPICS:
            register(lake, topic.name)
    return reconcile_stack(settings)


def assert_nothing_lost_or_repeated(settings: Settings, records: int) -> Reconciliation:
    """Everything adds up, for exactly this many records."""
    result = landed_and_registered(settings)
    assert result.complete, orjson.dumps(result.as_json(), option=orjson.OPT_INDENT_2).decode()
    assert result.total("held") == result.total("registered") == records
    return result
