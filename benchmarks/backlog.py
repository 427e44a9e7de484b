"""The records that benchmarks read: a backlog of `web_logs`, each of the same size."""

import random

import orjson

from headrace.contracts.settings import Settings

TOPIC = "web_logs"
RECORD_BYTES = 385


def record(number: int, chance: random.Random) -> bytes:
    """A valid `web_logs` value of exactly `RECORD_BYTES` bytes."""
    event = {
        "event_id": f"{chance.getrandbits(128):032x}",
        "event_time": f"2026-11-{number % 28 + 1:02d}T{number % 24:02d}:{number % 60:02d}:00Z",
        "source": "access-log",
        "visitor_id": f"v{chance.randrange(100_000)}",
        "client_id": f"{chance.getrandbits(64):016x}",
        "method": "GET",
        "path": f"/product/{number % 1000}",
        "status": 200,
        "bytes": chance.randrange(50_000),
        "device": "desktop",
        "is_bot": False,
        "user_agent": "",
    }
    event["user_agent"] = "Mozilla/5.0 (X11; Linux x86_64) ".ljust(RECORD_BYTES - len(orjson.dumps(event)), "x")
    return orjson.dumps(event)


def fill(settings: Settings, records: int) -> None:
    """Produce the backlog."""
    from headrace.streaming.runtime.clients import producer

    chance = random.Random(1)
    pool = [record(number, chance) for number in range(50_000)]
    client = producer(settings, **{"queue.buffering.max.messages": 1_000_000})
    for number in range(records):
        while True:
            try:
                client.produce(TOPIC, value=pool[number % len(pool)], key=b"v%d" % (number % 5_000))
                break
            except BufferError:
                client.poll(0.05)
        if number % 10_000 == 0:
            client.poll(0)
    client.flush()
