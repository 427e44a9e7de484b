"""A whole stack under hostile input: afterwards every program runs, every count adds up and every build is green.

`HOSTILE_MINUTES` (20) says how long, `HOSTILE_SEED` repeats a run's input. All failures are reported together.
"""

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from headrace.contracts.exit_codes import ExitCode
from headrace.contracts.settings import Settings
from headrace.orchestration.instance import config as dagster
from headrace.stack.programs import environment
from headrace.streaming.sources.live import positions
from headrace.warehouse.lake import Lake
from tests.hostile.feeders import (
    AccessLog,
    Batches,
    Feeder,
    Forms,
    Ingests,
    Questions,
    Records,
    Shop,
    Transactions,
)

MINUTES = float(os.environ.get("HOSTILE_MINUTES", "20"))
SEED = os.environ.get("HOSTILE_SEED") or secrets.token_hex(4)
SETTLE_SECONDS = 180.0
_EXIT = re.compile(r"exited: (\S+) \((.+); not expected\)")
_TO_READ_CAREFULLY = f"exit status {ExitCode.RESTART}"
LOOK_SECONDS = 60.0


@pytest.fixture
def running_stack(free_port_base: Callable[[], int]) -> Iterator[Settings]:
    """A stack with everything, in a home and on ports of its own."""
    with tempfile.TemporaryDirectory(prefix="hr-", ignore_cleanup_errors=True) as folder:
        logs = Path(folder) / "shop-logs"
        logs.mkdir()
        settings = Settings(
            home=Path(folder) / "home",
            port_base=free_port_base(),
            sources=("access-log", "feedback"),
            access_log_paths=(logs / "*.log",),
            feedback_rate=6_000,
        )
        try:
            up = headrace(settings, "up", "--detach")
            assert up.returncode == 0, up.stderr
            yield settings
        finally:
            headrace(settings, "down")
            if keep := os.environ.get("HOSTILE_KEEP"):
                subprocess.run(["cp", "-a", str(settings.root / "logs"), keep], check=False)


def headrace(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line for a stack."""
    return subprocess.run(
        [sys.executable, "-m", "headrace", *arguments],
        env=environment(settings),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def test_hostile_input_stops_nothing_and_nothing_is_lost(running_stack: Settings) -> None:
    settings, wrong = running_stack, list[str]()
    print(f"HOSTILE_SEED={SEED}, {MINUTES:g} minutes", flush=True)
    before = processes(settings)
    work = settings.root.parent
    log, ingests = AccessLog(settings, SEED, work / "shop-logs"), Ingests(settings, SEED, work)
    records, batches, forms = Records(settings, SEED), Batches(settings, SEED), Forms(settings, SEED)
    questions, changes, transactions = Questions(settings, SEED), Shop(settings, SEED), Transactions(settings, SEED)
    feeders: list[Feeder] = [log, ingests, records, batches, forms, questions, changes, transactions]
    # Built once before, so that the SQL server has something to answer from.
    log.step()
    wrong += commanded(settings, ("build", "--wait", f"{SETTLE_SECONDS}"))
    stop = threading.Event()
    threads = [threading.Thread(target=feeder.run, args=[stop]) for feeder in feeders]
    for thread in threads:
        thread.start()
    try:
        end = time.monotonic() + MINUTES * 60
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_SECONDS))
            wrong += look(settings)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    print({type(feeder).__name__: feeder.steps for feeder in feeders}, flush=True)
    print(records.acknowledged, batches.sent, transactions.ends, changes.changes, sep="\n", flush=True)
    print(forms.statuses, questions.statuses, sep="\n", flush=True)
    for feeder in feeders:
        wrong += feeder.failures
    wrong += settled(settings)
    wrong += still_running(before, processes(settings)) + unexpected_exits(settings)
    wrong += accounted(settings, log, ingests, forms)
    wrong += failed_builds(settings)
    print("\n".join(wrong) or "nothing is wrong", flush=True)
    assert not wrong, f"HOSTILE_SEED={SEED}: {len(wrong)} things are wrong, see above"


def processes(settings: Settings) -> dict[str, tuple[str, int | None]]:
    """State and process id of each program."""
    status = headrace(settings, "status", "--json")
    try:
        programs: list[dict[str, Any]] = json.loads(status.stdout)["programs"]
    except (ValueError, KeyError):
        return {"headrace status": (f"answers {status.stdout[:300]!r} {status.stderr[-1_000:]!r}", None)}
    return {program["name"]: (program["state"], program["pid"]) for program in programs}


def still_running(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The programs that do not run."""
    return [
        f"{name}: {after.get(name)}, at the beginning {before.get(name)}"
        for name in sorted({*before, *after})
        if name not in after or after[name][0] != "RUNNING"
    ]


def unexpected_exits(settings: Settings) -> list[str]:
    """The times that a program ended. A reader that ends before a batch fills its memory does not count."""
    exits = _EXIT.findall((settings.logs / "supervisord.log").read_text(errors="replace"))
    print("exits", Counter(exits), flush=True)
    return [f"{name} ended: {how}" for name, how in exits if how != _TO_READ_CAREFULLY]


def look(settings: Settings) -> list[str]:
    """Commands of an operator during the run. Counts are in flux then, so only tracebacks are failures."""
    found: list[str] = []
    for command in (("status",), ("verify", "--wait", "0"), ("sql", "select count(*) from core.orders")):
        run = headrace(settings, *command)
        if "Traceback" in run.stdout + run.stderr:
            found.append(f"headrace {' '.join(command)}: {run.stderr[-1_500:]}")
    return found


def settled(settings: Settings) -> list[str]:
    """Build and verify once nothing more is sent."""
    return commanded(
        settings,
        ("build", "--wait", f"{SETTLE_SECONDS}"),
        ("verify", "--wait", f"{SETTLE_SECONDS}"),
        ("build", "--full", "--wait", f"{SETTLE_SECONDS}"),
    )


def commanded(settings: Settings, *commands: tuple[str, ...]) -> list[str]:
    """The output of commands that fail."""
    found: list[str] = []
    for command in commands:
        started = time.monotonic()
        run = headrace(settings, *command)
        print(f"headrace {' '.join(command)}: exit {run.returncode}, {time.monotonic() - started:.0f} s", flush=True)
        if run.returncode:
            lines = [line for line in (run.stdout + run.stderr).splitlines() if not line.endswith("s)")]
            found.append(f"headrace {' '.join(command)} exits {run.returncode}:\n" + "\n".join(lines[-80:]))
    return found


def accounted(settings: Settings, log: AccessLog, ingests: Ingests, forms: Forms) -> list[str]:
    """Whether accepted + rejected + ignored = input, and what was accepted is in the warehouse."""
    found: list[str] = []
    entries = positions.read(settings, "access-log").values()
    read = sum(entry.inputs for entry in entries)
    if read != log.lines:
        found.append(f"access-log: {log.lines} lines were written, {read} inputs are accounted for")
    landed = rows_by_source(settings)
    expected: Counter[tuple[str, str]] = Counter()
    for source, counts in ingests.counts.items():
        print(source, counts.as_json(), flush=True)
        for topic, number in counts.by_topic.items():
            expected[topic, source] += number
    followed = sum(entry.accepted for entry in entries)
    expected["web_logs", "access-log"] += followed
    print("access-log, followed", {"input": read, "accepted": followed}, flush=True)
    for (topic, source), number in expected.items():
        if landed[topic, source] != number:
            found.append(f"{topic}: {number} events of {source} were accepted, {landed[topic, source]} landed")
    with Lake.open(settings, read_only=True) as lake:
        for topic in {topic for topic, _ in forms.receipts}:
            ids = {event_id for each, event_id in forms.receipts if each == topic}
            known = {row[0] for row in lake.connection.execute(f"select event_id from raw.{topic}").fetchall()}
            if lost := ids - known:
                found.append(
                    f"feedback: {len(lost)} of {len(ids)} acknowledged events of {topic} are lost: {sorted(lost)[:3]}"
                )
    return found


def rows_by_source(settings: Settings) -> Counter[tuple[str, str]]:
    """Landed events by topic and source."""
    found: Counter[tuple[str, str]] = Counter()
    with Lake.open(settings, read_only=True) as lake:
        for topic in ("web_logs", "orders", "customers", "social_media", "customer_feedback", "weather_data"):
            counts = lake.connection.execute(f"select source, count(*) from raw.{topic} group by source").fetchall()
            found.update({(topic, str(source)): int(number) for source, number in counts})
    return found


def failed_builds(settings: Settings) -> list[str]:
    """Dagster's runs that did not succeed."""
    with psycopg.connect(settings.conninfo(dagster.DATABASE, "headrace_dagster")) as db:
        statuses = dict(db.execute("select status, count(*) from runs group by status").fetchall())
    print("runs", statuses, flush=True)
    return [
        f"{number} runs of Dagster: {status}"
        for status, number in statuses.items()
        if status in ("FAILURE", "CANCELED")
    ]
