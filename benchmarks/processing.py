"""How fast the processor runtime reads a backlog, one record out for one in, against Kafka Streams doing the same
(`make bench-processing`).

Both run next to the broker, on the same records, exactly once; runs alternate. Both are measured by the offsets that
they commit, from the first commit to the last, so that startup does not count. Medians are reported as
JSON, with the second half of each run separately: by then the peer's code is JIT-compiled.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, cast
from uuid import uuid4

import psutil

from benchmarks import kafka_streams
from benchmarks.backlog import RECORD_BYTES, TOPIC, fill
from benchmarks.measuring import servers
from headrace.cases.ecommerce.topics.orders import Order
from headrace.cases.ecommerce.topics.web_logs import WebLog
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime.processing.processor import Output, Record, Result, State

OUTPUT = "orders"
LOOK_SECONDS = 0.02
DEADLINE_SECONDS = 240.0


class OneOut:
    """Makes an order of each hit: as much work as the peer's."""

    name: ClassVar[str] = "bench-one-out"
    inputs: ClassVar[tuple[str, ...]] = (TOPIC,)
    output: ClassVar[str] = OUTPUT
    state_version: ClassVar[int] = 1

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:  # noqa: ARG002
        outputs: list[Output] = []
        for record in records:
            hit = cast("WebLog", record.event)
            order = Order(
                event_id=hit.event_id,
                event_time=hit.event_time,
                source="bench",
                order_id=hit.event_id,
                channel="web",
                kind="order",
                customer_id=hit.visitor_id,
                currency="GBP",
                lines=[],
                total="0",
                referrer=hit.path,
            )
            outputs.append(Output(hit.visitor_id.encode(), order))
        return Result(outputs, len(records))


@dataclass(frozen=True)
class Run:
    """One run over the whole backlog, in records a second; and the CPU time that the process took for a record."""

    whole: float
    second_half: float
    cpu_us: float
    outputs: int


def process_all(settings: Settings, name: str) -> None:
    """One instance of the processor runtime, as `headrace processor run` runs it, until it is killed."""
    from headrace.streaming.runtime import process

    process.keep_memory()
    from headrace.streaming.runtime import logs
    from headrace.streaming.runtime.processing.worker import Worker

    logs.configure("warning")
    process.tune()
    # A unique name, so that each run starts from the beginning.
    named: type[OneOut] = type("Named", (OneOut,), {"name": name})
    Worker(settings, named()).run()


@contextmanager
def instance(settings: Settings, name: str) -> Iterator[int]:
    """The runtime in a separate process during the block."""
    process = multiprocessing.get_context("spawn").Process(target=process_all, args=(settings, name))
    process.start()
    try:
        yield process.pid or 0
    finally:
        process.terminate()
        process.join()


def watched(settings: Settings, group: str, records: int, pid: int, topic: str = TOPIC) -> tuple[float, float, float]:
    """Records a second that a group commits, of the whole run and of its second half; and its CPU time for a record."""
    from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

    from headrace.streaming.runtime import clients

    admin = clients.admin(settings)
    asked = [
        ConsumerGroupTopicPartitions(
            group, [TopicPartition(topic, number) for number in range(TOPICS[topic].partitions)]
        )
    ]
    seen: list[tuple[float, int]] = []
    process = psutil.Process(pid)
    cpu: list[float] = []
    deadline = time.perf_counter() + DEADLINE_SECONDS
    while not seen or seen[-1][1] < records:
        try:
            offsets = admin.list_consumer_group_offsets(asked)[group].result().topic_partitions
        except KafkaException:  # the group has no coordinator yet
            offsets = []
        done = sum(max(each.offset, 0) for each in offsets)
        if done and (not seen or done > seen[-1][1]):
            seen.append((time.perf_counter(), done))
            used = process.cpu_times()
            cpu.append(used.user + used.system)
        assert time.perf_counter() < deadline, f"{group}: {done} of {records} records after {DEADLINE_SECONDS:.0f} s"
        time.sleep(LOOK_SECONDS)
    half = next(each for each in seen if each[1] >= records / 2)
    cpu_us = (cpu[-1] - cpu[0]) / (seen[-1][1] - seen[0][1]) * 1e6
    return _rate(seen[0], seen[-1]), _rate(half, seen[-1]), cpu_us


def _rate(begin: tuple[float, int], end: tuple[float, int]) -> float:
    return (end[1] - begin[1]) / (end[0] - begin[0])


def fresh_output(settings: Settings) -> None:
    """The output topic, new and empty."""
    from headrace.streaming.runtime import clients
    from headrace.streaming.runtime.health import wait_for_topics
    from headrace.streaming.runtime.topics import create_topics, topic_ids

    admin = clients.admin(settings)
    admin.delete_topics([OUTPUT])[OUTPUT].result()
    while topic_ids(admin, [OUTPUT]):
        time.sleep(0.1)
    create_topics(admin, [TOPICS[OUTPUT]])
    wait_for_topics(admin, {OUTPUT: TOPICS[OUTPUT]})


def count_outputs(settings: Settings) -> int:
    """Committed records in the output topic."""
    from confluent_kafka import TopicPartition

    from headrace.streaming.runtime import clients

    consumer = clients.consumer(settings, f"bench-{uuid4().hex}", **{"enable.partition.eof": True})
    partitions = range(TOPICS[OUTPUT].partitions)
    consumer.assign([TopicPartition(OUTPUT, partition, 0) for partition in partitions])
    count = ended = 0
    while ended < len(partitions):
        messages = consumer.consume(10_000, 0.2)
        errors = sum(message.error() is not None for message in messages)
        count, ended = count + len(messages) - errors, ended + errors
    consumer.close()
    return count


def measure(settings: Settings, records: int, group: str, running: AbstractContextManager[int]) -> Run:
    """Measure the group that runs within a context."""
    fresh_output(settings)
    with running as pid:
        whole, second_half, cpu_us = watched(settings, group, records, pid)
    return Run(whole, second_half, cpu_us, count_outputs(settings))


def compare(settings: Settings, records: int, runs: int, threads: int) -> dict[str, object]:
    """Alternate the two and report medians and ratios."""
    from headrace.streaming.runtime import clients
    from headrace.streaming.runtime.health import wait_for_topics
    from headrace.streaming.runtime.processing.worker import group_of
    from headrace.streaming.runtime.topics import create_topics

    admin = clients.admin(settings)
    create_topics(admin, TOPICS.values())
    wait_for_topics(admin, TOPICS)
    fill(settings, records)
    mine: list[Run] = []
    theirs: list[Run] = []
    with TemporaryDirectory(prefix="hr-bench-") as state:
        for number in range(runs):
            name, peer = f"bench-{uuid4().hex[:8]}", f"peer-{uuid4().hex[:8]}"
            mine.append(measure(settings, records, group_of(settings, name), instance(settings, name)))
            streams = kafka_streams.running(settings, peer, threads, Path(state))
            theirs.append(measure(settings, records, peer, streams))
            print(f"run {number + 1}: headrace {mine[-1]}, Kafka Streams {theirs[-1]}", file=sys.stderr)
    assert all(run.outputs == records for run in (*mine, *theirs)), "not one out for each one in"
    return {
        "records": records,
        "record_bytes": RECORD_BYTES,
        "runs": runs,
        "cores": os.cpu_count(),
        "peer": f"Kafka Streams 4.3.1 exactly_once_v2, commits every {kafka_streams.COMMIT_MS} ms, {threads} threads",
        "headrace_records_per_second": round(statistics.median(run.whole for run in mine)),
        "peer_records_per_second": round(statistics.median(run.whole for run in theirs)),
        "ratio": _ratio([run.whole for run in mine], [run.whole for run in theirs]),
        "second_half": {
            "headrace_records_per_second": round(statistics.median(run.second_half for run in mine)),
            "peer_records_per_second": round(statistics.median(run.second_half for run in theirs)),
            "ratio": _ratio([run.second_half for run in mine], [run.second_half for run in theirs]),
        },
        "cpu_us_per_record": {
            "headrace": round(statistics.median(run.cpu_us for run in mine), 2),
            "peer": round(statistics.median(run.cpu_us for run in theirs), 2),
        },
    }


def _ratio(mine: list[float], theirs: list[float]) -> float:
    return round(statistics.median(own / other for own, other in zip(mine, theirs, strict=True)), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_500_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="stream threads of the peer")
    chosen = parser.parse_args()
    kafka_streams.fetch()
    with servers(Settings(), "kafka") as settings:
        print(json.dumps(compare(settings, chosen.records, chosen.runs, chosen.threads)))


if __name__ == "__main__":
    main()
