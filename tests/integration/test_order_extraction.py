"""The known right answers: a real order book, ingested as an access log, results in the same orders; and of these, the
stream and the warehouse compute the same features of every customer, to the last digit.
"""

import subprocess
import sys
import time

import duckdb

from headrace.cases.ecommerce.processors.behavior_scorer import BehaviorScorer
from headrace.cases.ecommerce.processors.order_extractor import OrderExtractor
from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.contracts.decoding import decode, encode
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.landing.progress import committed_ends, wait_until_landed
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.processing.progress import read_ledgers, wait_until_processed
from headrace.warehouse.lake import Lake
from tests.integration.building import build_from
from tests.integration.landers import environment, landing
from tests.integration.processor_instances import read_all
from tests.integration.samples import at, order
from tests.shared_data import shared

INVOICES = 11_415
ALL_INVOICES = 16_459
CUSTOMERS = 3_360
SECONDS = 200.0


def headrace(settings: Settings, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "headrace", *arguments], env=environment(settings))


def test_a_real_order_book_ingested_as_an_access_log_gives_the_same_orders(fresh: Settings) -> None:
    book = next(shared("online-retail").glob("*.parquet"))
    extractor = headrace(fresh, "processor", "run", OrderExtractor.name)
    try:
        assert headrace(fresh, "simulate", "--orders", str(book), "--seed", "1").wait(SECONDS) == 0
        assert wait_until_processed(fresh, OrderExtractor(), timeout=SECONDS)
    finally:
        extractor.terminate()
        extractor.wait(30)
    assert_orders_are(fresh, book=str(book), channel="web", orders=INVOICES)

    # The order database sends the same orders, and others. It takes precedence, and each order counts once.
    assert headrace(fresh, "ingest", "online-retail", str(book)).wait(SECONDS) == 0
    assert_orders_are(fresh, book=str(book), channel="store", orders=ALL_INVOICES)

    send_awkward_orders(fresh)
    scorer = headrace(fresh, "processor", "run", BehaviorScorer.name)
    try:
        assert wait_until_processed(fresh, BehaviorScorer(), timeout=SECONDS)
    finally:
        scorer.terminate()
        scorer.wait(30)
    assert_features_agree(fresh)


def assert_orders_are(settings: Settings, *, book: str, channel: str, orders: int) -> None:
    """The warehouse holds the book's orders, as sent by this channel."""
    with landing(settings):
        assert wait_until_landed(settings, committed_ends(settings, ["orders"]), timeout=SECONDS) == 0
    build_from(settings, "orders")
    with Lake.open(settings, read_only=True) as lake:
        counted = lake.connection.execute("select channel, count(*) from core.orders group by all").fetchall()
        lines = lake.connection.execute("""
            select order_id, sku, quantity, unit_price::decimal(18, 4)::varchar, count(*)
            from core.order_lines
            where order_id in (select order_id from core.orders where kind = 'order' and customer_id is not null)
            group by all order by all
        """).fetchall()
        totals = lake.connection.execute("""
            select order_id, revenue::decimal(18, 4)::varchar, reported_total::decimal(18, 4)::varchar
            from core.orders where kind = 'order' and customer_id is not null order by all
        """).fetchall()
    assert counted == [(channel, orders)]
    mine = f"from '{book}' where InvoiceNo not like 'C%' and InvoiceNo not like 'A%' and CustomerID is not null"
    assert (
        lines
        == duckdb.sql(f"""
        select InvoiceNo, trim(StockCode), Quantity, UnitPrice::decimal(18, 4)::varchar, count(*) {mine}
        group by all order by all
    """).fetchall()
    )
    expected = duckdb.sql(f"""
        with amounts as (
            select InvoiceNo, sum(Quantity * UnitPrice::decimal(18, 4))::decimal(18, 4)::varchar as total {mine}
            group by all
        )
        select InvoiceNo, total, total from amounts order by all
    """).fetchall()
    assert totals == expected
    assert len(totals) == INVOICES


def send_awkward_orders(settings: Settings) -> None:
    """Orders that are repeated, corrected, sent by both channels, returned alone or early, out of order, or empty."""
    line = ("A", 3, "0.3333")
    events = [
        order("r1", ("A", -3, "0.3333"), customer_id="X1", kind="return", time=at(days=9)),
        order("o1", line, customer_id="X1", time=at(days=5)),
        order("o2", line, ("B", 1, "10.01"), customer_id="X1", time=at(days=2, minutes=0.001)),
        order("o1", line, line, customer_id="X1", time=at(days=6), version=2),
        order("o1", line, customer_id="X1", time=at(days=5)),
        order("o1", ("C", 9, "9.99"), customer_id="X1", channel="web", time=at(days=30)),
        order("o3", line, customer_id="X2", channel="web", time=at(days=1)),
        order("o3", ("A", 2, "0.3333"), customer_id="X2", time=at(days=3)),
        order("o4", customer_id="X2", time=at(days=1)),
        order("a1", line, customer_id="X2", kind="adjustment", time=at(days=40)),
        order("r2", ("A", -1, "5"), customer_id="X3", kind="return", time=at(days=1)),
        order("o5", line, customer_id=None, time=at(days=1)),
    ]
    producer = clients.producer(settings)
    for event in events:
        producer.produce("orders", encode(event), (event.customer_id or event.order_id).encode())
        assert producer.flush(30) == 0  # arrival is by the producer's clock, in milliseconds
        time.sleep(0.002)


def assert_features_agree(settings: Settings) -> None:
    """The last features that the stream computed for each customer equal those in the warehouse."""
    with landing(settings):
        assert wait_until_landed(settings, committed_ends(settings, ["orders"]), timeout=SECONDS) == 0
    build_from(settings, "orders")
    rows = read_all(settings, BehaviorScorer.output, TOPICS[BehaviorScorer.output].partitions)
    streamed = {
        event.customer_id: event for event in (decode(CustomerBehavior, value) for _, _, value in rows if value)
    }
    with Lake.open(settings, read_only=True) as lake:
        built = lake.connection.execute("""
            select customer_id, feature_cutoff at time zone 'UTC', orders, returns,
                monetary_value::decimal(18, 4)::varchar, recency_days, tenure_days, mean_gap_days, mean_basket_lines,
                order_days, last_gap_days, median_gap_days, longest_gap_days
            from core.customer_features order by all
        """).fetchall()
    assert built == [
        (
            name,
            event.feature_cutoff.replace(tzinfo=None),
            event.orders,
            event.returns,
            event.monetary_value,
            event.recency_days,
            event.tenure_days,
            event.mean_gap_days,
            event.mean_basket_lines,
            event.order_days,
            event.last_gap_days,
            event.median_gap_days,
            event.longest_gap_days,
        )
        for name, event in sorted(streamed.items())
    ]
    assert len(built) == CUSTOMERS + 3


def test_every_line_of_the_log_is_accounted_for(fresh: Settings) -> None:
    extractor = headrace(fresh, "processor", "run", OrderExtractor.name)
    try:
        assert headrace(fresh, "simulate", "--days", "5", "--seed", "3").wait(SECONDS) == 0
        assert wait_until_processed(fresh, OrderExtractor(), timeout=SECONDS)
        books = read_ledgers(fresh, OrderExtractor())
    finally:
        extractor.terminate()
        extractor.wait(30)
    assert len(books) == TOPICS["web_logs"].partitions
    assert all(each.balanced and each.inputs == each.next - each.first for each in books.values())
    assert sum(each.drops.get("not a pixel hit", 0) for each in books.values()) > 0
    assert sum(each.notes.get("abandoned carts", 0) for each in books.values()) > 0
