"""Real processor processes for tests, and their records in Kafka."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.processing.changelog import changelog_topic
from headrace.streaming.runtime.processing.ledger import Ledger
from headrace.streaming.runtime.processing.processor import Processor
from headrace.streaming.runtime.processing.progress import read_ledgers
from headrace.streaming.runtime.processing.store import LEDGER_KEY
from headrace.streaming.runtime.topics import offset_bounds, uncommitted_end
from tests.integration import instance_process
from tests.integration.instance_process import Numbering

DEADLINE_SECONDS = 90.0
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([instance_process.__name__])


@dataclass
class Instance:
    """One instance as a process of its own."""

    settings: Settings
    index: int = 0
    failpoints: str = ""
    processor: str = Numbering.name
    log: Path = field(init=False)
    process: ForkServerProcess = field(init=False)

    def __post_init__(self) -> None:
        self.settings.root.mkdir(parents=True, exist_ok=True)
        self.log = self.settings.root / f"{self.processor}-{self.index}-{time.monotonic_ns()}.log"
        arguments = (self.settings, self.processor, self.index, self.failpoints, str(self.log))
        self.process = _processes.Process(target=instance_process.run, args=arguments)
        self.process.start()

    @property
    def has_ended(self) -> bool:
        return self.process.exitcode is not None

    def wait_for_end(self) -> int:
        """Wait until the process has ended by itself; returns its exit code, negative for a signal."""
        self.process.join(DEADLINE_SECONDS)
        assert self.process.exitcode is not None, self.log.read_text()
        return self.process.exitcode

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        os.kill(self.process.pid or 0, number)

    def kill9(self) -> None:
        self.process.kill()
        self.process.join()

    def finish(self) -> None:
        """Ask it to end in order."""
        self.send(signal.SIGTERM)
        assert self.wait_for_end() == 0, self.log.read_text()


@contextmanager
def instance(
    settings: Settings, index: int = 0, failpoints: str = "", processor: str = Numbering.name
) -> Iterator[Instance]:
    """An instance for the length of a block; killed at its end if it still runs."""
    running = Instance(settings, index, failpoints, processor)
    try:
        yield running
    finally:
        running.kill9()


Row = tuple[int, bytes | None, bytes | None]
"""Partition, key and value of a record."""


def read_all(settings: Settings, topic: str, partitions: int) -> list[Row]:
    """Every committed record of a topic, in the order of each partition."""
    consumer = clients.consumer(settings, "test-reader", **{"enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)])
    found: list[Row] = []
    ended: set[int] = set()
    while len(ended) < partitions:
        for message in consumer.consume(1_000, 1.0):
            if message.error() is not None:
                ended.add(message.partition() or 0)
            else:
                found.append((message.partition() or 0, message.key(), message.value()))
    consumer.close()
    return found


@contextmanager
def reading_along(settings: Settings, topic: str) -> Iterator[list[Row]]:
    """A `read_committed` reader that runs alongside the block; gives what it has seen, all of it after the block."""
    seen: list[Row] = []
    ended = threading.Event()
    thread = threading.Thread(target=_read_along, args=(settings, topic, seen, ended), name="reading-along")
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def _read_along(settings: Settings, topic: str, seen: list[Row], ended: threading.Event) -> None:
    partitions = [(topic, number) for number in range(TOPICS[topic].partitions)]
    reached = dict.fromkeys(partitions, 0)
    ends: dict[tuple[str, int], int] | None = None
    consumer = clients.consumer(settings, "test-reader-along", **{"enable.partition.eof": True})
    consumer.assign([TopicPartition(*each, OFFSET_BEGINNING) for each in partitions])
    while ends is None or any(reached[each] < end for each, end in ends.items()):
        for message in consumer.consume(1_000, 0.5):
            error, place = message.error(), (topic, message.partition() or 0)
            if error is None:
                seen.append((place[1], message.key(), message.value()))
                reached[place] = (message.offset() or 0) + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                reached[place] = message.offset() or 0
        if ended.is_set() and ends is None:
            ends = {each: end for each, (_, end) in offset_bounds(clients.admin(settings), partitions).items()}
    consumer.close()


def wait_for_settled(settings: Settings, topic: str) -> None:
    """Wait until no transaction is open in a topic, such as one of a killed instance."""
    admin, deadline = clients.admin(settings), time.monotonic() + DEADLINE_SECONDS
    for partition in range(TOPICS[topic].partitions):
        while offset_bounds(admin, [(topic, partition)])[topic, partition][1] < uncommitted_end(
            admin, topic, partition
        ):
            assert time.monotonic() < deadline, f"{topic}-{partition} has an open transaction"
            time.sleep(0.2)


def ledgers(settings: Settings, processor: Processor | None = None) -> dict[tuple[str, int], Ledger]:
    """The ledger of each input partition, as committed."""
    return read_ledgers(settings, processor or Numbering())


def state(settings: Settings, processor: str, topic: str) -> dict[tuple[int, bytes], bytes]:
    """The state by partition and key as the changelog has it, ledgers left out."""
    changelog = changelog_topic(processor, topic)
    found = {
        (partition, key or b""): value
        for partition, key, value in read_all(settings, changelog.name, changelog.partitions)
    }
    return {key: value for key, value in found.items() if value is not None and key[1] != LEDGER_KEY}


def wait_for_inputs(
    settings: Settings, count: int, processor: Processor | None = None
) -> dict[tuple[str, int], Ledger]:
    """Wait until so many input records are accounted for; returns the ledgers."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        found = ledgers(settings, processor)
        if sum(each.inputs for each in found.values()) >= count:
            return found
        assert time.monotonic() < deadline, f"{found}"
        time.sleep(0.3)
