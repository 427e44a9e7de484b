"""Lands events as the lander would, without Kafka: Parquet files, and their commits in PostgreSQL."""

import hashlib
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.contracts.fields import fields_of
from headrace.contracts.landing import QUARANTINE_SCHEMA, RAW_SCHEMA, landing_path, landing_schema, quarantine_name
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.contracts.types import Event

_COMMIT = """
insert into landing.commits (topic, topic_id, partition, first_offset, next_offset, rows, quarantined,
    file, file_rows, file_bytes, file_sha256, quarantine_file, quarantine_file_rows, quarantine_file_bytes,
    quarantine_file_sha256, log_id)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_POSITION = """
insert into landing.positions (topic_id, partition, topic, start_offset, next_offset, log_id)
values (%s, %s, %s, 0, %s, %s)
on conflict (topic_id, partition) do update set next_offset = excluded.next_offset
"""


class Landing:
    """The landed topics of one test. Kafka times advance by a second with each record, independent of the clock.

    With a `clock`, it gives the Kafka time of each record instead.
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime] | None = None) -> None:
        self._clock = clock
        self._settings = settings
        self._topic_ids: dict[str, uuid.UUID] = {}
        self._next: dict[tuple[str, int], int] = {}
        self.now = datetime(2026, 6, 1, tzinfo=UTC)

    def topic_id(self, topic: str) -> uuid.UUID:
        return self._topic_ids.setdefault(topic, uuid.uuid4())

    def recreate(self, topic: str) -> None:
        """The topic gets another id and begins at offset 0 again."""
        self._topic_ids[topic] = uuid.uuid4()
        for place in [place for place in self._next if place[0] == topic]:
            del self._next[place]

    def land(
        self,
        topic: str,
        events: Iterable[Event | None],
        *,
        quarantined: int = 0,
        partition: int = 0,
        key: str = "C1",
        headers: Mapping[str, str] | None = None,
    ) -> str | None:
        """Land the events as one flush (None is a tombstone), then so many quarantined records; returns the file."""
        first = self._next.get((topic, partition), 0)
        pairs = [{"key": name, "value": value.encode()} for name, value in (headers or {}).items()]
        records = [
            {**self._record(topic, event, partition, first + place), "_key": key.encode(), "_headers": pairs}
            for place, event in enumerate(events)
        ]
        rejects = [
            {
                **self._account(topic, partition, first + len(records) + place),
                "_value": b"\xff{",
                "_reason": "not UTF-8",
            }
            for place in range(quarantined)
        ]
        declared = TOPICS[topic]
        schema = RAW_SCHEMA if declared.contract is None else landing_schema(declared)
        landed = self._write(topic, records, schema)
        quarantine = self._write(quarantine_name(topic), rejects, QUARANTINE_SCHEMA)
        after = first + len(records) + quarantined
        if after == first:
            return None
        self._next[topic, partition] = after
        place = (topic, self.topic_id(topic), partition, first, after, len(records), quarantined)
        with psycopg.connect(self._settings.conninfo()) as postgres:
            postgres.execute(_POSITION, [self.topic_id(topic), partition, topic, after, self.topic_id(topic)])
            postgres.execute(_COMMIT, [*place, *landed, *quarantine, self.topic_id(topic)])
        return landed[0]

    def _record(self, topic: str, event: Event | None, partition: int, offset: int) -> dict[str, Any]:
        account = self._account(topic, partition, offset)
        if event is None:
            return {**account, "_is_tombstone": True}
        return {**_columns(event), **account}

    def _account(self, topic: str, partition: int, offset: int) -> dict[str, Any]:
        self.now += timedelta(seconds=1)
        return {
            "_topic_id": str(self.topic_id(topic)),
            "_partition": partition,
            "_offset": offset,
            "_key": b"C1",
            "_headers": [],
            "_is_tombstone": False,
            "_kafka_time": self._clock() if self._clock else self.now,
            "_landed_at": self.now,
        }

    def _write(self, folder: str, rows: list[dict[str, Any]], schema: pa.Schema) -> tuple[str | None, Any, Any, Any]:
        if not rows:
            return None, None, None, None
        path = landing_path(folder, self.now, uuid.uuid4().hex)
        target = self._settings.landing_root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), target, compression="zstd")
        content = target.read_bytes()
        return str(path), len(rows), len(content), hashlib.sha256(content).hexdigest()


def _columns(event: Event) -> dict[str, Any]:
    kinds = {field.name: field for field in fields_of(type(event))}
    return {name: _value(kinds[name], value) for name, value in msgspec.structs.asdict(event).items()}


def _value(field: Any, value: Any) -> Any:
    if value is None:
        return None
    if field.kind == "money":
        return Decimal(value)
    if field.kind == "list":
        children = {child.name: child for child in field.children}
        items: list[Mapping[str, Any]] = [msgspec.structs.asdict(item) for item in value]
        return [{name: _value(children[name], part) for name, part in item.items()} for item in items]
    return value
