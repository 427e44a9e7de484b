"""Fills the shop's database from an order book, so that the sources capture the book's orders and customers.

Rows that are not orders or customers go to the topics' dead letters, as with `headrace ingest`.
"""

from collections.abc import Callable, Iterable
from threading import Event as Flag

import psycopg

from headrace.cases.ecommerce.sources.order_book.online_retail import CUSTOMERS
from headrace.cases.ecommerce.topics.customers import Customer
from headrace.cases.ecommerce.topics.orders import Order
from headrace.contracts.decoding import decode
from headrace.contracts.errors import Terminal
from headrace.contracts.postgres import postgres_needed
from headrace.contracts.settings import Settings
from headrace.streaming.connect import shop
from headrace.streaming.runtime.publishing import Publisher
from headrace.streaming.sources.delivery import Edge, require_recognized
from headrace.streaming.sources.outcomes import Counts, Deliverable

COMMIT_EVERY = 500
_CUSTOMER = """
insert into customers (customer_id, country, registered_at, event_id, event_time, source)
values (%(customer_id)s, %(country)s, %(registered_at)s, %(event_id)s, %(event_time)s, %(source)s)
on conflict (customer_id) do update set country = excluded.country, registered_at = excluded.registered_at,
    event_id = excluded.event_id, event_time = excluded.event_time, source = excluded.source
where customers.event_time < excluded.event_time
"""
_ORDER = "insert into order_outbox (event_id, key, document) values (%s, %s, %s::jsonb) on conflict do nothing"


def fill(
    settings: Settings,
    outcomes: Iterable[Deliverable],
    *,
    source: str,
    origin: str,
    stop: Flag | None = None,
    progress: Callable[[Counts], None] | None = None,
) -> Counts:
    """Write customers and orders, in the order given. Idempotent.

    Raises:
        Transient: PostgreSQL or Kafka is unavailable; earlier commits are kept.
        Terminal: the database is not the shop's.
        UnrecognizedInput: everything in the input was rejected.
    """
    stop = stop or Flag()
    publisher = Publisher(settings)
    publisher.check((CUSTOMERS, "orders"))
    counts = Counts()
    try:
        with postgres_needed(shop.SUBJECT), shop.connect(settings) as db:
            edge = Edge(_Shop(db, publisher), counts, f"source:{source}", origin)
            for number, outcome in enumerate(outcomes, 1):
                edge.take(outcome)
                if number % COMMIT_EVERY == 0:
                    db.commit()
                    if progress is not None:
                        progress(counts)
                if stop.is_set():
                    break
    except psycopg.errors.UndefinedTable as error:
        raise Terminal("The shop's database has no tables yet.", remedy="`headrace up` makes them.") from error
    publisher.flush()
    if not stop.is_set():
        require_recognized(counts, source, origin)
    return counts


class _Shop:
    """Writes accepted records to the shop's tables and rejected ones to Kafka."""

    def __init__(self, db: psycopg.Connection, publisher: Publisher) -> None:
        self._db = db
        self.dead_letter = publisher.dead_letter

    def publish(self, topic: str, key: bytes, value: bytes) -> None:
        if topic == CUSTOMERS:
            customer = decode(Customer, value)
            self._db.execute(_CUSTOMER, {name: getattr(customer, name) for name in shop.CUSTOMER_COLUMNS})
        else:
            order = decode(Order, value)
            self._db.execute(_ORDER, (order.event_id, key.decode(), value.decode()))
