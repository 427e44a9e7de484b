"""Delivers rows into PostgreSQL as Connect does, for tests of what reads them; no Connect needed."""

from collections.abc import Iterable
from uuid import UUID

import msgspec
import psycopg

from headrace.cases.data_science.topics.customer_sentiment import CustomerSentiment
from headrace.contracts.delivery import OFFSET, PARTITION, TOPIC_ID, Delivery, table_sql
from headrace.contracts.settings import Settings
from headrace.contracts.types import Event
from tests.integration.samples import at

TOPIC = UUID("0193bfa4-0000-7000-8000-000000000001")


def prepare(settings: Settings, delivery: Delivery) -> None:
    """Make the table that rows are delivered into."""
    with psycopg.connect(settings.conninfo(), autocommit=True) as db:
        db.execute(table_sql(delivery).encode())


def deliver(
    settings: Settings,
    delivery: Delivery,
    events: Iterable[Event],
    *,
    first: int,
    partition: int = 0,
    topic: UUID = TOPIC,
) -> None:
    """Upsert events as the records from offset `first` on, in one transaction."""
    with psycopg.connect(settings.conninfo()) as db:
        for offset, event in enumerate(events, first):
            row = msgspec.structs.asdict(event) | {TOPIC_ID: topic, PARTITION: partition, OFFSET: offset}
            names, places = ", ".join(row), ", ".join(["%s"] * len(row))
            assignments = ", ".join(f"{name} = excluded.{name}" for name in row if name != delivery.key)
            db.execute(
                f"insert into {delivery.qualified} ({names}) values ({places})"
                f" on conflict ({delivery.key}) do update set {assignments}".encode(),
                list(row.values()),
            )


def sentiment(number: int, **changes: object) -> CustomerSentiment:
    """What the model says of post `number`."""
    event = CustomerSentiment(
        event_id=f"sentiment-{number}",
        event_time=at(days=number % 50),
        source="sentiment-scorer",
        subject_id=f"bluesky/{number}",
        subject="post",
        platform="bluesky",
        language="en",
        label="positive",
        negative=0.1,
        neutral=0.2,
        positive=0.7,
        model_version="vader",
        scored_at=at(),
    )
    return msgspec.structs.replace(event, **changes)
