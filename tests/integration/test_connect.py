"""Kafka Connect between real topics and a real PostgreSQL: nothing lost or repeated, even when processes are killed."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from headrace.cases.ecommerce.shop_database.filling import fill
from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.cases.ecommerce.topics.customers import Customer
from headrace.cases.ecommerce.topics.orders import Order
from headrace.contracts.decoding import InvalidRecord, decode, encode
from headrace.contracts.delivery import DELIVERIES, SERVING, STAGING
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.contracts.types import Event
from headrace.operations.reconciliation.compare import DeliveryResult, reconcile
from headrace.operations.reconciliation.stack import reconcile_stack
from headrace.streaming.connect import shop
from headrace.streaming.connect.applying import apply, configure
from headrace.streaming.connect.connectors import CUSTOMERS_SOURCE, ORDERS_SOURCE, sink_name
from headrace.streaming.connect.delivered import delivery_accounts, rejected, undelivered, wait_until_delivered
from headrace.streaming.connect.status import connector_statuses
from headrace.streaming.connect.watching import Watcher
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.dead_letters import letters
from headrace.streaming.sources.file_source import Options
from headrace.streaming.sources.ingest import outcomes_of
from headrace.warehouse.build import build, load
from headrace.warehouse.lake import Lake
from tests.hostile_records import ZSTD, Headers, RawProducer, Record, batch, bomb
from tests.integration.behavior_values import BEHAVIOR, VALUES
from tests.integration.conftest import ServerControl
from tests.integration.delivered import sentiment
from tests.integration.landers import landed_and_registered, landing
from tests.integration.processor_instances import read_all
from tests.integration.samples import at
from tests.integration.superuser import as_superuser

DEADLINE_SECONDS = 90.0
FINE = at() + timedelta(microseconds=123456)


def behavior(number: int, customer: str, **changes: object) -> CustomerBehavior:
    return msgspec.structs.replace(BEHAVIOR, event_id=f"b-{number}", customer_id=customer, orders=number, **changes)


def send(
    settings: Settings, topic: str, records: list[tuple[bytes | str | None, bytes | None]], *, commit: bool = True
) -> None:
    """Send in one transaction, which is then committed or aborted."""
    producer = clients.producer(
        settings, **{"transactional.id": f"test-{topic}", "batch.size": 1, "linger.ms": 0, "log_level": 0}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    for key, value in records:
        producer.produce(topic, key=key, value=value)
        producer.flush(10)
    producer.commit_transaction(30) if commit else producer.abort_transaction(30)


def eventually(found: Callable[[], object], wanted: object, seconds: float = DEADLINE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while (last := found()) != wanted:
        assert time.monotonic() < deadline, f"{last} is not {wanted}"
        time.sleep(0.3)


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(settings.conninfo(), options="-c timezone=UTC") as db:
        return db.execute(query.encode()).fetchall()


@contextmanager
def watching(settings: Settings) -> Iterator[None]:
    """The watcher for the length of a block."""
    watcher = Watcher(settings)
    thread = threading.Thread(target=watcher.run, args=(lambda: None,))
    thread.start()
    try:
        yield
    finally:
        watcher.stop()
        thread.join(30)
    assert not thread.is_alive()


def deliveries(settings: Settings) -> dict[str, DeliveryResult]:
    return {each.table: each for each in reconcile([], [], deliveries=delivery_accounts(settings)).deliveries}


def test_rows_are_the_latest_records_and_invalid_ones_are_dead_letters(connected: Settings) -> None:
    good = [(f"c{number % 5}", encode(behavior(number, f"c{number % 5}"))) for number in range(20)]
    exact = behavior(7, "exact", monetary_value="-0.1000", recency_days=1 / 3, event_time=FINE, segment="Zoë \\ '\n")
    send(connected, "customer_behavior", [*good, ("c3", None), ("exact", encode(exact))])
    send(connected, "customer_behavior", [("c1", encode(behavior(99, "c1")))], commit=False)
    cases = [(f"case-{number}", value) for number, (_, value) in enumerate(VALUES)]
    no_keys = [(key, good[0][1]) for key in (b"", b"c\0", b"\xff", b"k" * 257)]
    send(connected, "customer_behavior", [*cases, *no_keys])
    scores = [encode(sentiment(1)), encode(sentiment(1, deleted=True)), b"\xff"]
    send(connected, "customer_sentiment", [("p/1", score) for score in scores])
    assert wait_until_delivered(connected, timeout=DEADLINE_SECONDS) == 0

    stored = dict(
        rows(connected, "select customer_id, orders from serving.customer_behavior where customer_id ~ '^c[0-9]'")
    )
    assert stored == {"c0": 15, "c1": 16, "c2": 17, "c4": 19}, "the latest of each, none aborted, none deleted"
    taken = {str(row[0]) for row in rows(connected, "select customer_id from serving.customer_behavior")}
    verdicts = {name: _accepts(value) for name, value in VALUES}
    assert {name: f"case-{number}" in taken for number, (name, _) in enumerate(VALUES)} == verdicts
    assert len(rejected(connected, SERVING)) == sum(not valid for valid in verdicts.values()) + len(no_keys)
    assert rows(connected, "select event_id, deleted from staging.customer_sentiment") == [("sentiment-1", True)]
    letter = letters.read_one(connected, "customer_sentiment", 0)
    assert (letter.stage, letter.detail, letter.value) == (f"connect:{sink_name(STAGING)}", "not UTF-8", b"\xff")
    query = "select monetary_value::text, recency_days, event_time, segment, tenure_days from serving.customer_behavior"
    assert rows(connected, f"{query} where customer_id = 'exact'") == [("-0.1000", 1 / 3, FINE, exact.segment, None)], (
        "to the last digit"
    )
    found = deliveries(connected)
    assert all(each.sound and not each.pending for each in found.values())
    assert found["serving.customer_behavior"].live == found["serving.customer_behavior"].rows == len(taken)


def _accepts(value: bytes) -> bool:
    try:
        decode(CustomerBehavior, value)
    except InvalidRecord:
        return False
    return True


def test_applying_again_changes_nothing_and_passwords_are_shown_nowhere(
    connected: Settings, connect_worker: Settings
) -> None:
    assert {change.action for change in apply(connected)} == {"keep"}
    assert {change.name for change in apply(connected)} == {
        *(sink_name(delivery) for delivery in DELIVERIES.values()),
        CUSTOMERS_SOURCE,
        ORDERS_SOURCE,
    }
    password = (connect_worker.secrets / "postgres-roles" / "headrace_sink").read_text().strip()
    import httpx

    assert connect_worker.connect_login_file is not None
    user, _, login = connect_worker.connect_login_file.read_text().strip().partition(":")
    url = f"{connect_worker.connect_address}/connectors?expand=info&expand=status"
    shown = httpx.get(url, auth=(user, login), trust_env=False).text
    assert "${file:" in shown
    assert password not in shown
    assert login not in shown
    assert not [log for log in connect_worker.logs.iterdir() if password in log.read_text(errors="replace")]


def customers_now(settings: Settings) -> dict[str, str | None]:
    """The latest state of each key of `customers`: the country, or `gone`."""
    found: dict[str, str | None] = {}
    for _, key, value in read_all(settings, "customers", TOPICS["customers"].partitions):
        assert key is not None
        found[key.decode()] = "gone" if value is None else decode(Customer, value).country
    return found


def document(order_id: str, customer: str, **changes: object) -> bytes:
    """An order as the shop writes it."""
    lines = [
        {"sku": "A", "quantity": 2, "unit_price": "2.5500"},
        {"sku": "B", "description": "é", "quantity": 1, "unit_price": "0.10"},
    ]
    event = {
        "event_id": f"shop-{order_id}",
        "event_time": "2026-03-01T12:00:00Z",
        "source": "shop-db",
        "order_id": order_id,
    }
    event |= {
        "channel": "store",
        "kind": "order",
        "customer_id": customer,
        "currency": "GBP",
        "lines": lines,
        "total": "5.20",
    }
    return json.dumps(event | changes).encode()


def place(db: psycopg.Connection, order_id: str, customer: str) -> None:
    db.execute(
        "insert into order_outbox (event_id, key, document) values (%s, %s, %s::jsonb)",
        (f"shop-{order_id}", customer, document(order_id, customer).decode()),
    )


def test_the_shops_changes_become_events_of_the_contracts(connected: Settings) -> None:
    with shop.connect(connected) as db:
        db.execute("insert into customers (customer_id, country) values ('A', 'UK'), ('B', 'FR'), ('C', null)")
        place(db, "1", "A")
    # A source that starts now would not see a row that was deleted before.
    eventually(lambda: customers_now(connected), {"A": "UK", "B": "FR", "C": None})
    with shop.connect(connected) as db:
        db.execute("update customers set country = 'DE' where customer_id = 'A'")
        db.execute("delete from customers where customer_id = 'B'")
    with shop.connect(connected) as db:
        db.execute("alter table customers add column email text default 'nobody@example.org'")
        db.execute("insert into customers (customer_id, country, email) values ('D', 'NL', 'd@example.org')")
        place(db, "2", "D")
        db.execute("delete from order_outbox where event_id = 'shop-1'")
    eventually(lambda: customers_now(connected), {"A": "DE", "B": "gone", "C": None, "D": "NL"})
    eventually(lambda: len(read_all(connected, "orders", TOPICS["orders"].partitions)), 2)
    records = read_all(connected, "orders", TOPICS["orders"].partitions)
    orders = {key: decode(Order, value) for _, key, value in records if value is not None}
    assert {key: (order.order_id, order.total, order.lines[0].unit_price) for key, order in orders.items()} == {
        b"A": ("1", "5.20", "2.5500"),
        b"D": ("2", "5.20", "2.5500"),
    }
    everything = read_all(connected, "customers", TOPICS["customers"].partitions)
    assert not [value for _, _, value in everything if value is not None and b"example.org" in value]
    ids = [decode(Customer, value).event_id for _, _, value in everything if value is not None]
    assert len(ids) == len(set(ids))


def test_accounts_are_closed_when_their_table_is_truncated(connected: Settings) -> None:
    with shop.connect(connected) as db:
        db.execute("insert into customers (customer_id, country) values ('A', 'UK'), ('B', 'FR')")
    eventually(lambda: customers_now(connected), {"A": "UK", "B": "FR"})
    with psycopg.connect(as_superuser(connected, connected.shop_database)) as db:
        db.execute("set session_replication_role = replica")
        db.execute("truncate customers")
        db.execute("insert into customers (customer_id, event_id, event_time) values ('C', 'c-1', now())")
    eventually(lambda: customers_now(connected), {"A": "gone", "B": "gone", "C": None})


def test_existing_rows_come_first_and_changes_during_an_outage_follow_once(
    connected: Settings, server_control: ServerControl
) -> None:
    configure(connected, {})
    with shop.connect(connected) as db:
        db.execute("insert into customers (customer_id, country) values ('A', 'UK'), ('B', 'FR'), ('C', null)")
        place(db, "1", "A")
    apply(connected)
    eventually(lambda: customers_now(connected), {"A": "UK", "B": "FR", "C": None})
    eventually(lambda: len(read_all(connected, "orders", TOPICS["orders"].partitions)), 1)

    server_control.stop("connect")
    for change in (
        "update customers set country = 'DE' where customer_id = 'A'",
        "update customers set country = 'AT' where customer_id = 'A'",
        "delete from customers where customer_id = 'B'",
        "insert into customers (customer_id, country) values ('D', 'NL')",
    ):
        with shop.connect(connected) as db:
            db.execute(change.encode())
    with shop.connect(connected) as db:
        place(db, "2", "D")
        db.execute("delete from order_outbox where event_id = 'shop-1'")
    server_control.start("connect")

    eventually(lambda: customers_now(connected), {"A": "AT", "B": "gone", "C": None, "D": "NL"})
    eventually(lambda: len(read_all(connected, "orders", TOPICS["orders"].partitions)), 2)
    records = read_all(connected, "customers", TOPICS["customers"].partitions)
    states = [decode(Customer, value) for _, _, value in records if value is not None]
    assert sorted((state.customer_id, state.country or "") for state in states) == [
        ("A", "AT"), ("A", "DE"), ("A", "UK"), ("B", "FR"), ("C", ""), ("D", "NL"),
    ], "each state of each row once, from the snapshot or from the log"  # fmt: skip
    assert len({state.event_id for state in states}) == len(states)
    orders = [value for _, _, value in read_all(connected, "orders", TOPICS["orders"].partitions) if value is not None]
    assert sorted(decode(Order, value).event_id for value in orders) == ["shop-1", "shop-2"]


def test_an_order_from_log_and_order_database_counts_once_with_the_databases_values(connected: Settings) -> None:
    event = msgspec.json.decode(
        document("9", "A", event_id="web-9", channel="web", source="order-extractor", total="7.00")
    )
    event["lines"] = [{"sku": "A", "quantity": 7, "unit_price": "1.00"}]
    send(connected, "orders", [("A", json.dumps(event).encode())])
    with shop.connect(connected) as db:
        place(db, "9", "A")
    eventually(lambda: len(read_all(connected, "orders", TOPICS["orders"].partitions)), 2)
    with landing(connected):
        landed_and_registered(connected)
    with Lake.open(connected) as lake:
        build(lake, "core.orders")
        build(lake, "core.order_lines")
        assert lake.value("select list((order_id, channel, revenue::varchar, line_count)) from core.orders") == [
            ("9", "store", "5.2000", 2)
        ]
        assert lake.value("select list(sku order by line_number) from core.order_lines") == ["A", "B"]


def test_an_order_book_in_the_shops_database_arrives_whole_and_once(connected: Settings, tmp_path: Path) -> None:
    book = tmp_path / "book.csv"
    lines = [
        f"{536000 + n // 2},SKU{n},Thing,{n + 1},12/1/2010 8:{n % 60:02},2.55,{17000 + n // 4},United Kingdom"
        for n in range(400)
    ]
    book.write_text(
        "\n".join(
            [
                "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
                *lines,
                "1,X,,many,,,,",
            ]
        )
    )

    def filled() -> object:
        outcomes = outcomes_of(connected, "online-retail", book, Options(date_format="mdy"), threading.Event())
        return fill(connected, outcomes, source="online-retail", origin=book.name).as_json()

    assert filled() == {"input": 301, "accepted": 300, "rejected": 1, "ignored": 0}
    assert filled() == {"input": 301, "accepted": 300, "rejected": 1, "ignored": 0}
    eventually(lambda: len(read_all(connected, "orders", TOPICS["orders"].partitions)), 200)
    values = [value for _, _, value in read_all(connected, "orders", TOPICS["orders"].partitions)]
    assert sorted(decode(Order, value).order_id for value in values if value) == sorted(
        str(536000 + n) for n in range(200)
    )
    assert len(customers_now(connected)) == 100


class Feed:
    """Sends records of both delivered topics, and changes the shop's rows, so that every data flow is in use."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.count = 0
        self.customers: dict[str, str] = {}

    def topics(self, records: int = 60) -> None:
        numbers = range(self.count, self.count + records)
        self.count += records
        for topic, made in (("customer_behavior", self._behavior), ("customer_sentiment", self._sentiment)):
            producer = clients.producer(self.settings)
            for number in numbers:
                key, event = made(number)
                producer.produce(topic, key=key, value=encode(event))
            assert producer.flush(60) == 0

    def shop(self, changes: int = 20) -> None:
        with shop.connect(self.settings) as db:
            for number in range(len(self.customers), len(self.customers) + changes):
                customer = f"k{number}"
                db.execute("insert into customers (customer_id, country) values (%s, 'UK')", (customer,))
                place(db, str(number), customer)
                self.customers[customer] = "UK"

    def _behavior(self, number: int) -> tuple[str, Event]:
        return f"c{number % 40}", behavior(number, f"c{number % 40}")

    def _sentiment(self, number: int) -> tuple[str, Event]:
        return f"bluesky/{number}", sentiment(number)

    def assert_all_arrived(self) -> None:
        """Every data flow is complete: rows = live keys, `core.sentiment` = what landed, orders once each."""
        settings = self.settings
        eventually(lambda: sum(undelivered(settings, each) for each in DELIVERIES.values()), 0)
        found = deliveries(settings)
        assert {
            name: (each.live, each.rows, each.lost, each.pending, each.unexpected) for name, each in found.items()
        } == {
            SERVING.qualified: (min(40, self.count),) * 2 + (0, 0, 0),
            STAGING.qualified: (self.count,) * 2 + (0, 0, 0),
        }
        latest = dict(rows(settings, "select customer_id, orders from serving.customer_behavior"))
        assert latest == {f"c{n % 40}": n for n in range(max(0, self.count - 40), self.count)}
        eventually(lambda: customers_now(settings), self.customers)
        wanted = sorted(f"shop-{n}" for n in range(len(self.customers)))
        eventually(self._order_ids, wanted)

    def _order_ids(self) -> list[str]:
        values = (value for _, _, value in read_all(self.settings, "orders", TOPICS["orders"].partitions))
        return sorted(decode(Order, value).event_id for value in values if value is not None)


def test_killed_workers_and_databases_and_a_stopped_one_lose_and_repeat_nothing(
    connected: Settings, server_control: ServerControl
) -> None:
    feed = Feed(connected)
    with watching(connected):
        feed.topics()
        feed.shop()
        server_control.kill9("connect")
        feed.topics()
        feed.shop()
        server_control.wait_until_up("connect")
        feed.topics()
        server_control.kill9("postgres")
        server_control.wait_until_up("postgres")
        feed.shop()
        server_control.stop("postgres")
        feed.topics()
        time.sleep(8)
        server_control.start("postgres")
        feed.shop()
        feed.assert_all_arrived()
        eventually(lambda: [each.running for each in connector_statuses(connected)], [True] * 4)
    with landing(connected):
        landed_and_registered(connected)
    with Lake.open(connected) as lake:
        assert load(lake, "core.sentiment").rows == feed.count
    (account,) = reconcile_stack(connected).staged
    assert (account.rows, account.missing, account.unexpected, account.pending) == (feed.count, 0, 0, 0)


def test_a_failed_task_is_named_and_started_again_once_the_cause_is_gone(connected: Settings) -> None:
    with psycopg.connect(connected.conninfo(), autocommit=True) as db:
        # Not for the record's values: those would be a dead letter.
        db.execute(
            "create function no_room() returns trigger language plpgsql as"
            " $$ begin raise exception 'no_room'; end $$; create trigger no_room"
            " before insert on serving.customer_behavior for each row execute function no_room()"
        )
        send(connected, "customer_behavior", [("c1", encode(behavior(1, "c1")))])

        def error() -> bool:
            (status,) = [each for each in connector_statuses(connected) if each.state.name == sink_name(SERVING)]
            return "no_room" in (status.state.first_error or "") and not status.running

        with watching(connected):
            eventually(error, True)
            db.execute("drop trigger no_room on serving.customer_behavior")
            eventually(lambda: rows(connected, "select orders from serving.customer_behavior"), [(1,)])


def test_a_batch_that_does_not_fit_into_connects_memory_is_set_apart_and_passed(connected: Settings) -> None:
    before = [sentiment(number) for number in range(5)]
    after = [sentiment(number) for number in range(5, 10)]
    with watching(connected), RawProducer(connected) as producer:
        producer.send(STAGING.topic, 0, batch([Record(encode(each)) for each in before]))
        first = producer.send(STAGING.topic, 0, bomb(ZSTD, 300))
        producer.send(STAGING.topic, 0, batch([Record(encode(each)) for each in after]))
        eventually(lambda: rows(connected, "select count(*) from staging.customer_sentiment"), [(10,)])
    place = "select reader, partition, first_offset, next_offset from landing.set_apart"
    assert rows(connected, place) == [(sink_name(STAGING), 0, first, 6)]
    assert deliveries(connected)["staging.customer_sentiment"].sound


def test_a_record_too_large_for_a_dead_letter_is_rejected_and_not_lost(connected: Settings) -> None:
    large = b"a" * 9_000_000
    wide: Headers = [(b"wide", large)]
    with RawProducer(connected) as producer:
        for topic in (STAGING.topic, SERVING.topic):
            producer.send(topic, 0, batch([Record(large, b"c0")], ZSTD))
            producer.send(topic, 0, batch([Record(b"{", b"c0", wide)], ZSTD))
        producer.send(STAGING.topic, 0, batch([Record(encode(sentiment(1)), headers=wide)], ZSTD))
        producer.send(SERVING.topic, 0, batch([Record(encode(behavior(1, "c1")), b"c1", wide)], ZSTD))
    assert wait_until_delivered(connected, timeout=DEADLINE_SECONDS) == 0
    assert [(each.live, each.rejected, each.sound) for each in deliveries(connected).values()] == [(1, 2, True)] * 2


def test_a_record_with_any_headers_and_foreign_key_is_delivered(connected: Settings) -> None:
    odd: list[Headers] = [
        [(b"empty", None)],
        [(b"twice", b"1"), (b"twice", b"x")],
        [(b"", b"")],
        [(b"\xff\xfe", b"\0")],
        [(b"deep", b"[" * 20_000)],
    ]
    keys = (None, b"", b"\xff", b"k\0", b"k" * 300)
    with RawProducer(connected) as producer:
        for number, headers in enumerate(odd):
            score, key = encode(behavior(number, f"c{number}")), f"c{number}".encode()
            producer.send(STAGING.topic, 0, batch([Record(encode(sentiment(number)), headers=headers)]))
            producer.send(STAGING.topic, 0, batch([Record(b"{", headers=headers)]))
            producer.send(SERVING.topic, 0, batch([Record(score, key, headers)]))
        producer.send(SERVING.topic, 0, batch([Record(None, b"c0", odd[0])]))
        for number, key in enumerate(keys, len(odd)):
            producer.send(STAGING.topic, 1, batch([Record(encode(sentiment(number)), key)]))
    assert wait_until_delivered(connected, timeout=DEADLINE_SECONDS) == 0
    assert rows(connected, "select count(*) from staging.customer_sentiment") == [(len(odd) + len(keys),)]
    assert rows(connected, "select count(*) from serving.customer_behavior") == [(len(odd) - 1,)]
    assert len(rejected(connected, STAGING)) == len(odd)
    assert all(each.sound for each in deliveries(connected).values())


_CONSTRAINTS = """
alter table serving.customer_behavior add constraint no_room check (segment <> 'no room');
create unique index alone on serving.customer_behavior ((1)) where segment = 'alone';
alter table serving.customer_behavior add constraint divided check (segment <> 'divided' or 10 / (orders - orders) > 0);
create function too_wide(text) returns text language sql immutable
    as $$ select string_agg(md5(n::text || $1), '') from generate_series(1, 400) n $$;
create index wide on serving.customer_behavior (too_wide(segment)) where segment = 'too wide';
"""


def test_a_record_that_postgresql_rejects_is_a_dead_letter_and_others_are_delivered(connected: Settings) -> None:
    with psycopg.connect(connected.conninfo(), autocommit=True) as db:
        db.execute(_CONSTRAINTS)
    refusals = {"no room": "23514", "alone": "23505", "divided": "22012", "too wide": "54000"}
    segments = [segment for wrong in ("alone", *refusals) for segment in ("fine", wrong, "fine")]
    events = [behavior(number, f"c{number}", segment=segment) for number, segment in enumerate(segments)]
    records = [(event.customer_id, encode(event)) for event in events]
    send(connected, "customer_behavior", [*records, ("c0", None)])
    assert wait_until_delivered(connected, timeout=DEADLINE_SECONDS) == 0
    stored = [segment for (segment,) in rows(connected, "select segment from serving.customer_behavior")]
    assert sorted(stored) == ["alone", *["fine"] * (segments.count("fine") - 1)], "one row was deleted"
    found = [letters.read_one(connected, "customer_behavior", offset) for offset in range(len(refusals))]
    reasons = {decode(CustomerBehavior, letter.value or b"").segment: letter.detail or "" for letter in found}
    assert {segment: detail.rpartition(" ")[2] for segment, detail in reasons.items()} == refusals
    assert [each.running for each in connector_statuses(connected)] == [True] * 4
    assert len(rejected(connected, SERVING)) == len(refusals)
    assert all(each.sound and not each.pending for each in deliveries(connected).values())


def test_what_landed_and_connect_rejected_is_not_missing_from_core_sentiment(connected: Settings) -> None:
    with psycopg.connect(connected.conninfo(), autocommit=True) as db:
        db.execute("alter table staging.customer_sentiment add constraint no_two check (event_id <> 'sentiment-2')")
    scores = [encode(sentiment(number)) for number in range(4)]
    send(connected, STAGING.topic, [("p", score) for score in (*scores, b"{")])
    assert wait_until_delivered(connected, timeout=DEADLINE_SECONDS) == 0
    with landing(connected):
        landed_and_registered(connected)
    with Lake.open(connected) as lake:
        assert load(lake, "core.sentiment").rows == 3
    (account,) = reconcile_stack(connected).staged
    assert (account.rows, account.missing, account.rejected) == (3, 0, 1), "4 landed; the broken one is quarantined"
