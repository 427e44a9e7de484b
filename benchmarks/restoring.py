"""How long a killed processor takes to recover, and how much memory it uses, by the number of keys in its state
(`make bench-restore`).

Each instance is a separate process and is killed (SIGKILL) when its part is done. "Ready" is from the start of the
process to the commit of its first records. Memory is compared after the same number of records over all the keys.
"""

import argparse
import json
import multiprocessing
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from typing import ClassVar, cast

import orjson

from benchmarks.backlog import RECORD_BYTES, TOPIC
from benchmarks.measuring import memory_mb, servers
from headrace.cases.ecommerce.topics.web_logs import WebLog
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime.processing.processor import Record, Result, State

VALUE_BYTES = 48
TOUCHED = 200_000
"""Records after the restart, over random keys."""


class Keeping:
    """Keeps a state for every visitor."""

    name: ClassVar[str] = "bench-keeping"
    inputs: ClassVar[tuple[str, ...]] = (TOPIC,)
    output: ClassVar[str] = "orders"
    state_version: ClassVar[int] = 1

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:  # noqa: ARG002
        for record in records:
            key = cast("WebLog", record.event).visitor_id.encode()
            count = int((state.get(key) or b"0")[:8])
            state.put(key, b"%08d" % (count + 1) + b"." * (VALUE_BYTES - 8))
        return Result(used=len(records))


@dataclass(frozen=True)
class InstanceRun:
    """The measurements of an instance's process."""

    ready_seconds: float
    memory_mb: float


def keep(results: Connection, settings: Settings, records: int) -> None:
    """Run an instance until it has processed a number of records, then wait to be killed."""
    import threading

    import psutil

    from headrace.streaming.runtime import process

    process.keep_memory()
    from headrace.streaming.runtime import logs, metrics
    from headrace.streaming.runtime.processing.worker import Worker

    logs.configure("warning")
    process.tune()
    begun = psutil.Process().create_time()
    done = metrics.PROCESSED.labels(Keeping.name, TOPIC)

    def watch() -> None:
        while _value(done) == 0:
            time.sleep(0.005)
        ready = time.time() - begun
        while _value(done) < records:
            time.sleep(0.02)
        results.send(InstanceRun(ready, memory_mb("VmRSS")))

    threading.Thread(target=watch, daemon=True).start()
    Worker(settings, Keeping()).run()


def _value(counter: object) -> float:
    return counter._value.get()  # type: ignore[attr-defined]  # noqa: SLF001  no public reader


def run_instance(settings: Settings, records: int) -> InstanceRun:
    """One instance from its start until it is killed."""
    mine, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=keep, args=(its, settings, records))
    process.start()
    while not mine.poll(1.0):
        assert process.is_alive(), "the instance ended by itself"
    measured: InstanceRun = mine.recv()
    process.kill()
    process.join()
    return measured


def send(settings: Settings, visitors: Iterator[int]) -> None:
    """Produce a hit of each of these visitors."""
    from headrace.streaming.runtime.clients import producer

    client = producer(settings, **{"queue.buffering.max.messages": 1_000_000})
    event: dict[str, object] = {
        "event_id": "e",
        "event_time": "2026-11-01T12:00:00Z",
        "source": "bench",
        "visitor_id": "v000000000",
        "client_id": "c",
        "status": 200,
        "device": "desktop",
        "is_bot": False,
    }
    event["user_agent"] = "x" * (RECORD_BYTES - len(orjson.dumps(event)) - 16)
    before, after = orjson.dumps(event).split(b"v000000000")
    for sent, visitor in enumerate(visitors):
        name = b"v%09d" % visitor
        while True:
            try:
                client.produce(TOPIC, before + name + after, name)
                break
            except BufferError:
                client.poll(0.05)
        if sent % 10_000 == 0:
            client.poll(0)
    client.flush()


def measure(settings: Settings, keys: int, reset: Callable[[], None]) -> dict[str, object]:
    """Fill a state with `keys` keys, kill the instance, and restart it: from its checkpoint, and from scratch."""
    reset()
    chance = random.Random(1)
    send(settings, iter(range(keys)))
    run_instance(settings, keys)
    send(settings, (chance.randrange(keys) for _ in range(TOUCHED)))
    again = run_instance(settings, TOUCHED)
    # Without the local state store, as on another machine.
    shutil.rmtree(settings.root / "state" / Keeping.name)
    send(settings, (chance.randrange(keys) for _ in range(TOUCHED)))
    rebuilt = run_instance(settings, TOUCHED)
    measured = {"from_checkpoint": asdict(again), "from_changelog": asdict(rebuilt)}
    print(f"{keys:,} keys: {measured}", file=sys.stderr)
    return {"keys": keys, **{name: {key: round(n, 2) for key, n in each.items()} for name, each in measured.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, nargs="+", default=[100_000, 1_000_000])
    chosen = parser.parse_args()
    with servers(Settings(), "kafka") as settings:
        from headrace.streaming.runtime import clients
        from headrace.streaming.runtime.health import wait_for_topics
        from headrace.streaming.runtime.processing.reset import reset as reset_processor
        from headrace.streaming.runtime.topics import create_topics, topic_ids

        admin = clients.admin(settings)
        create_topics(admin, TOPICS.values())
        wait_for_topics(admin, TOPICS)

        def reset() -> None:
            while TOPIC in topic_ids(admin, [TOPIC]):
                admin.delete_topics([TOPIC])[TOPIC].exception(timeout=30)
                time.sleep(0.2)
            create_topics(admin, [TOPICS[TOPIC]])
            wait_for_topics(admin, {TOPIC: TOPICS[TOPIC]})
            _when_the_group_is_empty(lambda: reset_processor(settings, Keeping()))

        print(json.dumps([measure(settings, keys, reset) for keys in chosen.keys]))


def _when_the_group_is_empty(act: Callable[[], None]) -> None:
    """A killed instance stays a group member for ten seconds, and a new broker needs a moment for its groups."""
    from headrace.contracts.errors import Terminal, Transient

    deadline = time.monotonic() + 30
    while True:
        try:
            return act()
        except (Terminal, Transient):
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


if __name__ == "__main__":
    main()
