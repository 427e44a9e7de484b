"""Real processor processes for tests, with a processor that shows every record lost, repeated or out of order.

`python -m tests.integration.processor_slots INDEX` is such a process.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from contracts.decoding import decode
from contracts.ecommerce import CustomerBehavior, Order
from contracts.settings import Settings
from contracts.topics import TOPICS
from streaming.processors.processor import Output, Record, Result, State
from streaming.runtime import clients, logs
from streaming.runtime.processing.changelog import changelog_topic, uncommitted_end
from streaming.runtime.processing.ledger import Ledger
from streaming.runtime.processing.progress import read_ledgers
from streaming.runtime.processing.store import LEDGER_KEY
from streaming.runtime.processing.worker import Worker
from streaming.runtime.topics import offset_bounds
from tests.integration.landers import environment

DEADLINE_SECONDS = 90.0
FIXED = datetime(2026, 3, 1, tzinfo=UTC)
POISON = "poison"


class Numbering:
    """Numbers the orders of each customer: a lost, repeated or reordered record shows in every later number."""

    name: ClassVar[str] = "numbering"
    inputs: ClassVar[tuple[str, ...]] = ("orders",)
    output: ClassVar[str] = "customer_behavior"

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:
        result = Result()
        for record in records:
            order = record.event
            assert isinstance(order, Order)
            if order.customer_id is None:
                result.drops["guest"] += 1
                continue
            if order.customer_id == POISON:
                raise RuntimeError("a processor's own mistake")
            key = order.customer_id.encode()
            number = int(state.get(key) or 0) + 1
            state.put(key, b"%d" % number)
            result.outputs.append(Output(key, _numbered(order.customer_id, order.event_id, number)))
            result.used += 1
        return result


def _numbered(customer_id: str, event_id: str, number: int) -> CustomerBehavior:
    return CustomerBehavior(
        event_id=event_id,
        event_time=FIXED,
        source="numbering",
        customer_id=customer_id,
        feature_cutoff=FIXED,
        orders=number,
        returns=0,
        monetary="0",
        repurchase_probability=0.5,
        segment="test",
        model_version="test",
        scored_at=FIXED,
    )


@dataclass
class Slot:
    """One slot as a process of its own."""

    settings: Settings
    index: int = 0
    failpoints: str = ""
    log: Path = field(init=False)
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.settings.root.mkdir(parents=True, exist_ok=True)
        self.log = self.settings.root / f"slot-{self.index}-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "tests.integration.processor_slots", str(self.index)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=environment(self.settings, HEADRACE_FAILPOINTS=self.failpoints), stderr=log, stdout=log
            )

    def wait_for_death(self) -> int:
        """Wait until the process has ended by itself; returns its exit code, negative for a signal."""
        return self.process.wait(DEADLINE_SECONDS)

    def kill9(self) -> None:
        self.process.kill()
        self.process.wait()

    def finish(self) -> None:
        """Ask it to end in order."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(DEADLINE_SECONDS) == 0, self.log.read_text()


@contextmanager
def slot(settings: Settings, index: int = 0, failpoints: str = "") -> Iterator[Slot]:
    """A slot for the length of a block; killed at its end if it still runs."""
    running = Slot(settings, index, failpoints)
    try:
        yield running
    finally:
        running.kill9()


def read_all(settings: Settings, topic: str, partitions: int) -> list[tuple[int, bytes | None, bytes | None]]:
    """Partition, key and value of every committed record of a topic, in the order of each partition."""
    consumer = clients.consumer(settings, "test-reader", **{"enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)])
    found: list[tuple[int, bytes | None, bytes | None]] = []
    ended: set[int] = set()
    while len(ended) < partitions:
        for message in consumer.consume(1_000, 1.0):
            if message.error() is not None:
                ended.add(message.partition() or 0)
            else:
                found.append((message.partition() or 0, message.key(), message.value()))
    consumer.close()
    return found


def wait_for_settled(settings: Settings, topic: str) -> None:
    """Wait until no transaction is open in a topic, as of a killed slot that nobody started again."""
    admin, deadline = clients.admin(settings), time.monotonic() + DEADLINE_SECONDS
    for partition in range(TOPICS[topic].partitions):
        while offset_bounds(admin, [(topic, partition)])[topic, partition][1] < uncommitted_end(
            admin, topic, partition
        ):
            assert time.monotonic() < deadline, f"{topic}-{partition} has an open transaction"
            time.sleep(0.2)


def ledgers(settings: Settings) -> dict[int, Ledger]:
    """The ledger of each partition, as committed."""
    return {partition: each for (_, partition), each in read_ledgers(settings, Numbering()).items()}


def state(settings: Settings) -> dict[bytes, bytes | None]:
    """The state as the changelog has it, ledgers left out."""
    topic = changelog_topic("numbering", "orders")
    return {
        key: value
        for _, key, value in read_all(settings, topic.name, topic.partitions)
        if key is not None and key != LEDGER_KEY
    }


def wait_for_inputs(settings: Settings, count: int) -> dict[int, Ledger]:
    """Wait until so many input records are accounted for; returns the ledgers."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        found = ledgers(settings)
        if sum(each.inputs for each in found.values()) >= count:
            return found
        assert time.monotonic() < deadline, f"{found}"
        time.sleep(0.3)


def outputs(settings: Settings) -> list[tuple[int, str, int]]:
    """Partition, customer and number of every committed output, in the order of each partition."""
    rows = read_all(settings, "customer_behavior", TOPICS["customer_behavior"].partitions)
    decoded = [(partition, decode(CustomerBehavior, value)) for partition, _, value in rows if value is not None]
    return [(partition, event.customer_id, event.orders) for partition, event in decoded]


def main() -> None:
    settings = Settings()
    logs.configure("info")
    worker = Worker(settings, Numbering(), index=int(sys.argv[1]))
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()


if __name__ == "__main__":
    main()
