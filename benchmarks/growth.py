"""The cost of the same new batch with 1 M and with 20 M events of history (`make bench-warehouse`), as JSON.

The history is a shop's: log lines, and an order for every fiftieth. It is written by SQL to landed files, one per
day, then registered and built as usual. Then batches of new events of the last day land, first after the short
history, then after the long one, and each table's build is timed; medians are reported.
"""

import argparse
import hashlib
import json
import statistics
import sys
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import psycopg

from headrace import stack
from headrace.contracts.fields import fields_of
from headrace.contracts.landing import landing_path, landing_schema
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.stack.databases import prepare_databases
from headrace.streaming.landing.positions import prepare
from headrace.warehouse.build import build, load, register
from headrace.warehouse.ingest.connect_staging import STAGED_TABLES
from headrace.warehouse.lake import Lake
from headrace.warehouse.tables import all_tables

EVENTS_A_DAY = 50_000
EVENTS_AN_ORDER = 50
CUSTOMERS = 50_000
PRODUCTS = 2_000
FROM = "timestamptz '2025-01-01 00:00:00+00'"
_EVENT = f"{FROM} + interval ({{day}}) day + interval ({{first}} + n) millisecond * (86400000 // {{pace}})"
_LOG = f"""
select 'e' || {{day}} || '-' || ({{first}} + n) as event_id, {_EVENT} as event_time, 'bench' as source,
    'v' || hash({{day}}, ({{first}} + n) // 8) % 1000000 as visitor_id,
    'c' || hash({{day}}, ({{first}} + n) // 8) % 1000000 as client_id,
    'GET' as method, '/p/' || n % {PRODUCTS} as path, 200 as status, 512 as bytes,
    'https://www.google.com/' as referrer, 'agent' as user_agent,
    if(n % 3 = 0, 'mobile', 'desktop') as device, false as is_bot
from range({{count}}) numbers (n)
"""
_ORDER = f"""
select 'o' || {{day}} || '-' || ({{first}} + n) as event_id, {_EVENT} as event_time, 'bench' as source,
    {{day}} || '-' || ({{first}} + n) as order_id, 'store' as channel, 'order' as kind,
    'C' || hash({{day}}, {{first}} + n) % {CUSTOMERS} as customer_id, 'GBP' as currency, 'France' as country,
    list_transform(range(5), lambda i: {{{{
        sku: 'P' || hash({{day}}, {{first}} + n, i) % {PRODUCTS}, description: 'product', quantity: 1 + i,
        unit_price: 2.55::decimal(18, 4)
    }}}}) as lines, 38.25::decimal(18, 4) as total
from range({{count}}) numbers (n)
"""
_RECORD = "_topic_id, _partition, _offset, _key, _headers, _is_tombstone, _kafka_time, _landed_at"
_SELECTS = {"web_logs": _LOG, "orders": _ORDER}


@dataclass
class History:
    """Lands events by SQL: one file per topic and day, one partition, consecutive offsets."""

    settings: Settings
    ids: dict[str, uuid.UUID] = field(default_factory=lambda: {topic: uuid.uuid4() for topic in _SELECTS})
    next: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_SELECTS, 0))
    db: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)

    def land(self, topic: str, day: int, count: int, *, first: int = 0, pace: int) -> None:
        declared = TOPICS[topic]
        assert declared.contract is not None
        offset, topic_id = self.next[topic], self.ids[topic]
        self.db.execute("set timezone = 'UTC'")
        self.db.register("declared", landing_schema(declared).empty_table())
        events = _SELECTS[topic].format(day=day, first=first, count=count, pace=pace)
        record = f"""
            '{topic_id}' as _topic_id, 0 as _partition, {offset} + row_number() over () - 1 as _offset,
            ''::blob as _key, [] as _headers, false as _is_tombstone, event_time as _kafka_time,
            event_time as _landed_at"""
        path = Path(str(landing_path(topic, _moment(day), uuid.uuid4().hex)))
        target = self.settings.landing_root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        names = [each.name for each in fields_of(declared.contract)]
        given = [name for name in names if f"as {name}" in events]
        columns = ", ".join(
            [*given, "_topic_id, _partition, _offset, _key, _headers, _is_tombstone, _kafka_time, _landed_at"]
        )
        self.db.execute(
            f"create or replace temp table landed as from declared limit 0; insert into landed ({columns})"
            f" select {columns} from (select *, {record} from ({events})); copy landed to '{target}'"
        )
        content = target.read_bytes()
        self.next[topic] = offset + count
        with psycopg.connect(self.settings.conninfo()) as postgres:
            postgres.execute(
                "insert into landing.positions (topic_id, partition, topic, start_offset, next_offset, log_id)"
                " values (%s, 0, %s, 0, %s, %s)"
                " on conflict (topic_id, partition) do update set next_offset = excluded.next_offset",
                [topic_id, topic, offset + count, topic_id],
            )
            postgres.execute(
                "insert into landing.commits (topic, topic_id, partition, first_offset, next_offset, rows, quarantined,"
                " file, file_rows, file_bytes, file_sha256, log_id)"
                " values (%s, %s, 0, %s, %s, %s, 0, %s, %s, %s, %s, %s)",
                [
                    topic,
                    topic_id,
                    offset,
                    offset + count,
                    count,
                    str(path),
                    count,
                    len(content),
                    hashlib.sha256(content).hexdigest(),
                    topic_id,
                ],
            )

    def days(self, first: int, last: int) -> None:
        """Whole days of history."""
        for day in range(first, last):
            self.land("web_logs", day, EVENTS_A_DAY, pace=EVENTS_A_DAY)
            self.land("orders", day, EVENTS_A_DAY // EVENTS_AN_ORDER, pace=EVENTS_A_DAY // EVENTS_AN_ORDER)

    def batch(self, day: int, number: int, events: int) -> None:
        """New events, spread over an existing day."""
        first = 10_000_000 + number * events
        self.land("web_logs", day, events, first=first, pace=first + events)
        self.land("orders", day, events // EVENTS_AN_ORDER, first=first, pace=first + events)


def _moment(day: int) -> datetime:
    return datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=day)


def _build(lake: Lake) -> dict[str, float]:
    """Build everything; seconds by table."""
    seconds: dict[str, float] = {}
    for topic in _SELECTS:
        seconds[f"raw.{topic}"] = register(lake, topic).seconds
    for name in STAGED_TABLES:
        load(lake, name)
    for table in all_tables():
        seconds[table.qualified] = build(lake, table.qualified).seconds
    return seconds


def _measure(lake: Lake, history: History, day: int, batches: int, events: int) -> dict[str, float]:
    rounds: list[dict[str, float]] = []
    for number in range(batches):
        history.batch(day, number, events)
        rounds.append(_build(lake))
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", type=int, default=1_000_000, help="events of the short history")
    parser.add_argument("--long", type=int, default=20_000_000, help="events of the long history")
    parser.add_argument("--batch", type=int, default=10_000, help="new events in a batch")
    parser.add_argument("--batches", type=int, default=3)
    given = parser.parse_args()
    with TemporaryDirectory(prefix="hr-") as home:
        settings = Settings(home=Path(home), port_base=int(Settings().port_base))
        stack.up(settings, parts={"postgres"})
        try:
            report = _run(settings, given)
        finally:
            stack.down(settings)
    json.dump(report, sys.stdout, indent=2)


def _run(settings: Settings, given: argparse.Namespace) -> dict[str, object]:
    prepare_databases(settings)
    prepare(settings.conninfo())
    history = History(settings)
    with Lake.open(settings) as lake:
        measured: list[dict[str, float]] = []
        filled: list[float] = []
        done = 0
        for events in (given.short, given.long):
            days = events // EVENTS_A_DAY
            history.days(done, days)
            started = time.monotonic()
            _build(lake)
            filled.append(time.monotonic() - started)
            measured.append(_measure(lake, history, days - 1, given.batches, given.batch))
            done = days
    short, long = measured
    totals = [sum(each.values()) for each in measured]
    return {
        "events": [given.short, given.long],
        "batch": given.batch,
        "fill_s": [round(each, 1) for each in filled],
        "batch_s": [round(each, 3) for each in totals],
        "ratio": round(totals[1] / totals[0], 2),
        "tables": {name: {"short_s": round(short[name], 3), "long_s": round(long[name], 3)} for name in short},
    }


if __name__ == "__main__":
    main()
