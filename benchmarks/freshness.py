"""How long records take from Kafka to the marts at 1,000 events/s, by Dagster's sensor and by the long-running builder.

Runs a whole stack with the simulator as its source (`make bench-warehouse`). The platform itself measures the seconds
at each publication (`headrace.warehouse.publication.freshness`). Results are JSON.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headrace import stack
from headrace.contracts.settings import Settings
from headrace.stack.programs import environment
from headrace.warehouse.lake import Lake

QUIET_SECONDS = 40.0
"""No new records for this long means that all are available: longer than a build."""
COUNTS = "select topic, seconds, sum(records)::bigint from meta.freshness group by all"

Counts = Counter[tuple[str, int]]


def measured(settings: Settings) -> Counts:
    """Records by topic and seconds, counted so far."""
    with Lake.open(settings, read_only=True) as lake:
        if "meta.freshness" not in lake.columns():
            return Counter()
        rows = lake.connection.execute(COUNTS).fetchall()
        return Counter({(topic, seconds): records for topic, seconds, records in rows})


def settled(settings: Settings) -> Counts:
    """The counts once all sent records are available, so that no phase leaves records to the next."""
    found = measured(settings)
    while True:
        time.sleep(QUIET_SECONDS)
        before, found = found, measured(settings)
        if found == before:
            return found


def quantile(seconds: Counter[int], share: float) -> int:
    """The smallest number of seconds within which this share of the records became available."""
    wanted, so_far = share * seconds.total(), 0
    for each in sorted(seconds):
        so_far += seconds[each]
        if so_far >= wanted:
            return each
    raise ValueError("nothing was measured")


def summary(counts: Counts) -> dict[str, Any]:
    """p50, p95 and the slowest of all records together, and p95 by topic."""
    by_topic: dict[str, Counter[int]] = {}
    for (topic, seconds), records in counts.items():
        by_topic.setdefault(topic, Counter())[seconds] += records
    together = sum(by_topic.values(), Counter[int]())
    return {
        "records": together.total(),
        "p50_s": quantile(together, 0.5),
        "p95_s": quantile(together, 0.95),
        "max_s": max(together),
        "p95_s_by_topic": {topic: quantile(seconds, 0.95) for topic, seconds in sorted(by_topic.items())},
    }


def phase(settings: Settings, rate: int, seconds: int) -> dict[str, Any]:
    """Send for the given time, wait, and return the measurements."""
    before = settled(settings)
    command = [sys.executable, "-m", "headrace", "simulate", "--rate", str(rate), "--seconds", str(seconds), "--json"]
    started = time.monotonic()
    sent = subprocess.run(command, env=environment(settings), check=True, capture_output=True, text=True)
    lasted = time.monotonic() - started
    found = settled(settings)
    found.subtract(before)
    return {"seconds": round(lasted), "sent": json.loads(sent.stdout)} | summary(+found)


@contextmanager
def watching(settings: Settings) -> Iterator[None]:
    """A long-running builder during the block."""
    command = [sys.executable, "-m", "headrace", "build", "--watch"]
    process = subprocess.Popen(command, env=environment(settings), stdout=sys.stderr)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=60)
    chosen = parser.parse_args()
    with TemporaryDirectory(prefix="hr-bench-") as home:
        given = Settings()
        settings = given.model_copy(update={"home": Path(home), "port_base": given.port_base + 600})
        os.environ |= {"HEADRACE_HOME": home, "HEADRACE_PORT_BASE": str(settings.port_base)}
        try:
            stack.up(settings)
            # The first build creates the tables; it is not measured.
            subprocess.run([sys.executable, "-m", "headrace", "build"], env=environment(settings), check=True,
                           stdout=sys.stderr)  # fmt: skip
            by_sensor = phase(settings, chosen.rate, chosen.seconds)
            with watching(settings):
                by_watcher = phase(settings, chosen.rate, chosen.seconds)
            print(json.dumps({"rate": chosen.rate, "sensor": by_sensor, "watch": by_watcher}))
        finally:
            stack.down(settings)


if __name__ == "__main__":
    main()
