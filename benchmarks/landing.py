"""How fast a backlog lands, against bare `consume()` of the same records in the same minutes (`make bench-landing`).

The speed of `consume()` depends on the client's settings, so there are three such consumers (`CONSUMERS`). Runs
alternate; medians are reported as JSON, with the peak memory of the landing process.
"""

import argparse
import json
import statistics
import sys
import threading
import time
from dataclasses import dataclass
from uuid import uuid4

from benchmarks.backlog import RECORD_BYTES, TOPIC, fill
from benchmarks.measuring import in_child, memory_mb, servers
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.stack.databases import prepare_databases


@dataclass(frozen=True)
class Bare:
    """A consumer that discards its records."""

    records_a_call: int
    settings: dict[str, object]


CONSUMERS = {
    # Large calls and a large queue, the usual way to read a backlog: the baseline of the 60% target.
    "prefetching": Bare(
        50_000,
        {
            "fetch.message.max.bytes": 8 << 20,
            "queued.max.messages.kbytes": 256 * 1024,
            "queued.min.messages": 1_000_000,
            "fetch.queue.backoff.ms": 1_000,
        },
    ),
    "librdkafka_defaults": Bare(
        10_000,
        {
            "fetch.message.max.bytes": 1 << 20,
            "queued.max.messages.kbytes": 65_536,
            "fetch.queue.backoff.ms": 1_000,
        },
    ),
    # The configuration of the lander, including its small calls.
    "lander_settings": Bare(1_000, {}),
}
BAR = "prefetching"


@dataclass(frozen=True)
class Run:
    """One run over the whole backlog."""

    records_per_second: float
    peak_rss_mb: float


def consume_untouched(settings: Settings, records: int, bare: Bare) -> Run:
    """Bare `consume()`, values untouched."""
    from confluent_kafka import TopicPartition

    from headrace.streaming.runtime.clients import consumer

    client = consumer(settings, f"bench-{uuid4().hex}", **bare.settings)
    client.assign([TopicPartition(TOPIC, partition, 0) for partition in range(TOPICS[TOPIC].partitions)])
    seen = len(client.consume(1, 30))
    started = time.perf_counter()
    while seen < records:
        seen += len(client.consume(bare.records_a_call, 0.1))
    took = time.perf_counter() - started
    client.close()
    return Run(records / took, memory_mb())


def land(settings: Settings, records: int) -> Run:
    """The lander itself, from its first record to the commit of the last full batch.

    What is left after it waits for its age, `landing_flush_seconds`, which is no matter of speed.
    """
    from headrace.streaming.runtime import process

    process.keep_memory()
    from headrace.streaming.landing import positions
    from headrace.streaming.landing.lander import Lander
    from headrace.streaming.runtime import logs, metrics

    process.tune()
    logs.configure("warning")
    positions.prepare(settings.conninfo())
    lander = Lander(settings, topics=[TOPIC])
    times, in_full_batches = list[float](), list[float]()

    def watch() -> None:
        consumed = metrics.RECORDS_IN.labels(TOPIC)
        landed = metrics.ROWS_LANDED.labels(TOPIC)
        while _value(consumed) == 0:
            time.sleep(0.002)
        times.append(time.perf_counter())
        while _value(landed) <= records - settings.landing_flush_rows:
            time.sleep(0.005)
        times.append(time.perf_counter())
        in_full_batches.append(_value(landed))
        while _value(landed) < records:
            time.sleep(0.05)
        lander.stop()

    threading.Thread(target=watch, daemon=True).start()
    lander.run()
    return Run(in_full_batches[0] / (times[1] - times[0]), memory_mb())


def _value(counter: object) -> float:
    return counter._value.get()  # type: ignore[attr-defined]  # noqa: SLF001  no public reader


def _fresh_database(settings: Settings) -> Settings:
    made = settings.model_copy(update={"database": f"bench_{uuid4().hex[:12]}"})
    prepare_databases(made)
    return made


def compare(settings: Settings, records: int, runs: int) -> dict[str, object]:
    """Alternate the two and report medians and the ratio."""
    from headrace.streaming.runtime import clients
    from headrace.streaming.runtime.topics import create_topics

    create_topics(clients.admin(settings), TOPICS.values())
    fill(settings, records)
    bare: dict[str, list[float]] = {name: [] for name in CONSUMERS}
    landed: list[Run] = []
    for number in range(runs):
        for name, chosen in CONSUMERS.items():
            bare[name].append(in_child(consume_untouched, settings, records, chosen).records_per_second)
        landed.append(in_child(land, _fresh_database(settings), records))
        rates = {name: round(rate[-1]) for name, rate in bare.items()}
        print(f"run {number + 1}: consume {rates}, landed {landed[-1]}", file=sys.stderr)
    ratios = {
        name: [mine.records_per_second / theirs for mine, theirs in zip(landed, rates, strict=True)]
        for name, rates in bare.items()
    }
    return {
        "records": records,
        "record_bytes": RECORD_BYTES,
        "runs": runs,
        "landing_records_per_second": round(statistics.median(run.records_per_second for run in landed)),
        "landing_peak_rss_mb": round(max(run.peak_rss_mb for run in landed)),
        "consume_records_per_second": {name: round(statistics.median(rates)) for name, rates in bare.items()},
        "ratios": {name: round(statistics.median(each), 3) for name, each in ratios.items()},
        "ratio": round(statistics.median(ratios[BAR]), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    with servers(Settings(), "kafka", "postgres") as settings:
        print(json.dumps(compare(settings, chosen.records, chosen.runs)))


if __name__ == "__main__":
    main()
