"""The rates of two live sources against their peers in the same runs (`make bench-sources`), as JSON.

The access-log source parses and produces, its peer is the same producer with ready-made messages. The feedback service
answers requests with Kafka behind it, its peer is the same server without.
"""

import argparse
import asyncio
import gzip
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS

TOPIC = "web_logs"
TRANSACTION_RECORDS = 20_000
CONNECTIONS = 32
TOKEN = "a token for the benchmark"
SAMPLE = Path(__file__).parents[2] / "shared" / "data" / "web-logs-elastic" / "apache_logs.gz"


def write_log(path: Path, lines: int) -> None:
    """The real log again and again."""
    sample = gzip.decompress(SAMPLE.read_bytes()).splitlines(keepends=True)
    with path.open("wb") as log:
        for start in range(0, lines, len(sample)):
            log.writelines(sample[: lines - start])


def parse_and_produce(settings: Settings, log: Path, lines: int) -> float:
    """Inputs a second of the source itself, from its first commit to its last."""
    from headrace.cases.ecommerce.sources.access_log.live import AccessLogs, open_sources
    from headrace.streaming.runtime import metrics
    from headrace.streaming.sources.live.runner import Runner

    stop = threading.Event()
    given = settings.model_copy(update={"access_log_paths": (log,)})
    (source,) = open_sources(given)
    # A unique name, so that the position of the previous run does not count.
    source.__class__ = type("Fresh", (AccessLogs,), {"name": f"access-log-{time.time_ns()}"})
    runner = Runner(given, [source], stop)
    committed = metrics.SOURCE_INPUTS.labels(source.name, "accepted")
    before = committed._value.get()  # pyright: ignore  # noqa: SLF001  no public reader
    times: list[float] = []

    def watch() -> None:
        while committed._value.get() == before:  # pyright: ignore  # noqa: SLF001
            time.sleep(0.01)
        times.append(time.perf_counter())
        first = committed._value.get()  # pyright: ignore  # noqa: SLF001
        times.append(float(first - before))
        while committed._value.get() - before < lines * 0.9998:  # pyright: ignore  # noqa: SLF001
            time.sleep(0.01)
        times.append(time.perf_counter())
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    runner.run()
    return (lines - times[1]) / (times[2] - times[0])


def ready_made(settings: Settings, log: Path) -> float:
    """Records a second of the same producer, in transactions as large, with keys and values made before."""
    from headrace.cases.ecommerce.sources.access_log.lines import LineParser
    from headrace.streaming.runtime.transactions import Transactions
    from headrace.streaming.sources.delivery import encoded
    from headrace.streaming.sources.files import read_pieces
    from headrace.streaming.sources.live.runner import LINGER_MS
    from headrace.streaming.sources.outcomes import Encoded
    from headrace.streaming.sources.pseudonyms import load_key, pseudonymizer

    parsed = LineParser(pseudonymizer(load_key(settings))).outcomes(read_pieces(log))
    records = [(each.key, each.value) for each in map(encoded, parsed) if isinstance(each, Encoded)]
    transactions = Transactions(settings, f"bench-ready-{time.time_ns()}", linger_ms=LINGER_MS)
    transactions.start()
    started = time.perf_counter()
    for start in range(0, len(records), TRANSACTION_RECORDS):
        transactions.begin()
        transactions.send_all(TOPIC, records[start : start + TRANSACTION_RECORDS])
        transactions.flush()
        transactions.commit()
    return len(records) / (time.perf_counter() - started)


async def _connection(port: int, until: float, number: int, answers: dict[int, int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    while time.monotonic() < until:
        body = b'{"rating":4,"text":"Nice, thank you very much","customer_id":"C%d"}' % sent
        head = (
            f"POST /api/feedback HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Idempotency-Key: {number}-{sent}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        line = await reader.readuntil(b"\r\n\r\n")
        status = int(line[9:12])
        length = int(line.lower().partition(b"content-length: ")[2].split(b"\r")[0])
        await reader.readexactly(length)
        answers[status] = answers.get(status, 0) + 1
        sent += 1
    writer.close()


async def _load(port: int, seconds: float) -> dict[int, int]:
    answers: dict[int, int] = {}
    until = time.monotonic() + seconds
    await asyncio.gather(*(_connection(port, until, time.time_ns() + n, answers) for n in range(CONNECTIONS)))
    return answers


def serve(settings: Settings, seconds: float, *, with_kafka: bool) -> dict[str, Any]:
    """Requests a second of one server, with its memory before and after them."""
    import psutil

    token = settings.root / "bench-token"
    token.parent.mkdir(parents=True, exist_ok=True)
    token.write_text(TOKEN)
    code = (
        "from threading import Event\nfrom headrace.contracts.settings import Settings\n"
        "from headrace.cases.data_science.sources.feedback.server import serve\n"
        f"serve(Settings(), Event(), with_kafka={with_kafka})"
    )
    given = {
        "HEADRACE_HOME": str(settings.home),
        "HEADRACE_PORT_BASE": str(settings.port_base),
        "HEADRACE_FEEDBACK_TOKEN_FILE": str(token),
        "HEADRACE_FEEDBACK_API_RATE": "1000000",
    }
    server = subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(5)
        # Until the number of keys that it remembers has reached its limit.
        warm = asyncio.run(_load(settings.port("feedback"), seconds / 2))
        before = psutil.Process(server.pid).memory_info().rss
        answers = asyncio.run(_load(settings.port("feedback"), seconds))
        after = psutil.Process(server.pid).memory_info().rss
    finally:
        server.terminate()
        server.wait(20)
    return {
        "requests_per_second": round(answers.get(202, 0) / seconds),
        "not_202": sum(answers.values()) - answers.get(202, 0) + sum(warm.values()) - warm.get(202, 0),
        "rss_mb": [round(before / 1e6), round(after / 1e6)],
    }


def compare(settings: Settings, lines: int, runs: int, seconds: float) -> dict[str, Any]:
    """Alternate the two of each pair and report medians and ratios."""
    from headrace.streaming.runtime import clients, logs, process
    from headrace.streaming.runtime.topics import create_topics

    logs.configure("error")
    create_topics(clients.admin(settings), TOPICS.values())
    process.tune()
    log = settings.root / "access.log"
    write_log(log, lines)
    ready_made(settings, log)  # a broker that has just started is slow
    ready, parsed = list[float](), list[float]()
    for number in range(runs):
        ready.append(ready_made(settings, log))
        parsed.append(parse_and_produce(settings, log, lines))
        print(f"run {number + 1}: ready-made {ready[-1]:,.0f}/s, parsed {parsed[-1]:,.0f}/s", file=sys.stderr)
    without = serve(settings, seconds, with_kafka=False)
    kafka = serve(settings, seconds, with_kafka=True)
    return {
        "lines": lines,
        "ready_made_per_second": round(statistics.median(ready)),
        "parsed_per_second": round(statistics.median(parsed)),
        "access_log_ratio": round(
            statistics.median(mine / theirs for mine, theirs in zip(parsed, ready, strict=True)), 3
        ),
        "feedback": kafka,
        "feedback_without_kafka": without,
        "feedback_ratio": round(kafka["requests_per_second"] / without["requests_per_second"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=500_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    from headrace import stack

    given = Settings()
    with TemporaryDirectory(prefix="hr-bench-") as home:
        settings = given.model_copy(update={"home": Path(home), "port_base": given.port_base + 700})
        try:
            stack.up(settings, parts={"kafka"})
            print(json.dumps(compare(settings, chosen.lines, chosen.runs, chosen.seconds)))
        finally:
            stack.down(settings)


if __name__ == "__main__":
    main()
