"""The known right answer: a real order book, told as an access log, comes back as the same orders."""

import subprocess
import sys

import duckdb

from contracts.settings import Settings
from contracts.topics import TOPICS
from streaming.landing.progress import committed_ends, wait_until_landed
from streaming.processors.order_extractor import OrderExtractor
from streaming.runtime.processing.progress import read_ledgers, wait_until_processed
from tests.integration.building import build_from
from tests.integration.landers import environment, landing
from tests.shared_data import shared
from warehouse.lake import Lake

INVOICES = 11_415
ALL_INVOICES = 16_459
SECONDS = 200.0


def headrace(settings: Settings, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "headrace", *arguments], env=environment(settings))


def test_a_real_order_book_told_as_an_access_log_gives_the_same_orders(fresh: Settings) -> None:
    book = next(shared("online-retail").glob("*.parquet"))
    extractor = headrace(fresh, "process", OrderExtractor.name)
    try:
        assert headrace(fresh, "simulate", "--orders", str(book), "--seed", "1").wait(SECONDS) == 0
        assert wait_until_processed(fresh, OrderExtractor(), timeout=SECONDS)
    finally:
        extractor.terminate()
        extractor.wait(30)
    assert_orders_are(fresh, book=str(book), channel="web", orders=INVOICES)

    # The order database tells of the same orders, and of others: it is believed, and each order counts once.
    assert headrace(fresh, "replay", "online-retail", str(book)).wait(SECONDS) == 0
    assert_orders_are(fresh, book=str(book), channel="store", orders=ALL_INVOICES)


def assert_orders_are(settings: Settings, *, book: str, channel: str, orders: int) -> None:
    """The warehouse holds the book's orders, told by this channel."""
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
            select order_id, revenue::decimal(18, 4)::varchar, stated_total::decimal(18, 4)::varchar
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


def test_every_line_of_the_log_is_accounted_for(fresh: Settings) -> None:
    extractor = headrace(fresh, "process", OrderExtractor.name)
    try:
        assert headrace(fresh, "simulate", "--days", "5", "--seed", "3").wait(SECONDS) == 0
        assert wait_until_processed(fresh, OrderExtractor(), timeout=SECONDS)
        books = read_ledgers(fresh, OrderExtractor())
    finally:
        extractor.terminate()
        extractor.wait(30)
    assert len(books) == TOPICS["web_logs"].partitions
    assert all(each.balanced and each.inputs == each.next - each.first for each in books.values())
    assert sum(each.drops.get("bot", 0) for each in books.values()) > 0
    assert sum(each.notes.get("abandoned carts", 0) for each in books.values()) > 0
