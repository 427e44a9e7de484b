"""Turns a real order book into the access log of its shop: one visit per invoice, and visitors who do not buy.

For each order (not returns, not guests) the log has the exact lines, in order, and the total, so that orders rebuilt
from the log can be compared with the book.
"""

import random
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from headrace.cases.ecommerce.simulator.hits import Hit
from headrace.cases.ecommerce.simulator.people import newcomer, stranger
from headrace.cases.ecommerce.simulator.timeline import Happening, Timeline
from headrace.cases.ecommerce.simulator.visits import Visit, browse, crawl
from headrace.cases.ecommerce.sources.order_book.online_retail import CURRENCY, Invoice, InvoiceLine, in_time_order

LONGEST_VISIT_S = 3_600.0
PAGES_AT_MOST = 12
ONLOOKERS_PER_ORDER, ROBOTS_PER_ORDER = 1.2, 0.3


def orders_of(lines: Iterable[InvoiceLine]) -> list[Invoice]:
    """The invoices that a web shop would have seen: orders by known customers, by time."""
    book: dict[str, list[InvoiceLine]] = {}
    for line in lines:
        book.setdefault(line.invoice, []).append(line)
    return [invoice for invoice in in_time_order(book) if invoice.kind == "order" and invoice.customer]


def happenings(orders: list[Invoice], seed: int, start: datetime, run: str) -> Iterator[tuple[float, Happening]]:
    """All hits in order of time, in seconds after `start`, which is before the first visit."""
    rng = random.Random(f"order book {seed}")  # noqa: S311  a simulation
    timeline = Timeline()
    for number, invoice in enumerate(orders, 1):
        bought_s = (invoice.time - start).total_seconds()
        # No later visit has hits before this, because visits are shorter.
        yield from timeline.until(bought_s - 2 * LONGEST_VISIT_S)
        for hit in shopping(rng, invoice):
            timeline.add(bought_s + hit.after_s, hit)
        _others(rng, timeline, bought_s, f"{run}-{number:06}")
    yield from timeline.until(float("inf"))


def start_of(orders: list[Invoice]) -> datetime:
    """A time before every visit to the first of `orders`."""
    return orders[0].time - timedelta(seconds=3 * LONGEST_VISIT_S)


def shopping(rng: random.Random, invoice: Invoice) -> list[Hit]:
    """The hits of the visit that ends in this invoice, at seconds before the purchase (negative) up to 0."""
    person_rng = random.Random(f"book {invoice.customer}")  # noqa: S311  a simulation
    person = newcomer(person_rng, invoice.customer or "", invoice.time)
    visit = Visit(rng, f"book-{invoice.number}", person)
    visit.open("/")
    shown = set(rng.sample(range(len(invoice.lines)), min(PAGES_AT_MOST, len(invoice.lines))))
    for index, item in enumerate(invoice.lines):
        line = item.line
        if index in shown:
            visit.open(f"/product/{line.sku.replace(' ', '-')}")
        price, quantity = line.unit_price, str(line.quantity)
        visit.report("add_to_cart", rng.uniform(1, 6), sku=line.sku, qty=quantity, price=price, cur=CURRENCY)
    visit.open("/checkout")
    visit.report(
        "purchase",
        rng.uniform(5, 60),
        order=invoice.number,
        total=f"{invoice.total:f}",
        cur=CURRENCY,
        **({"country": invoice.country} if invoice.country else {}),
    )
    # A long order takes less time per line, so that no visit exceeds the limit.
    squeeze = min(1.0, LONGEST_VISIT_S / visit.now_s)
    return [_shifted(hit, (hit.after_s - visit.now_s) * squeeze) for hit in visit.hits]


def _others(rng: random.Random, timeline: Timeline, around_s: float, name: str) -> None:
    for number in range(_count(rng, ONLOOKERS_PER_ORDER)):
        begin_s = around_s + rng.uniform(-LONGEST_VISIT_S, LONGEST_VISIT_S)
        for hit in browse(rng, stranger(rng), f"look-{name}-{number}").hits:
            timeline.add(begin_s + hit.after_s, hit)
    for _ in range(_count(rng, ROBOTS_PER_ORDER)):
        begin_s = around_s + rng.uniform(-LONGEST_VISIT_S, LONGEST_VISIT_S)
        for hit in crawl(rng, f"66.249.{rng.randrange(64, 96)}.{rng.randrange(1, 255)}"):
            timeline.add(begin_s + hit.after_s, hit)


def _count(rng: random.Random, mean: float) -> int:
    return int(mean) + (rng.random() < mean % 1)


def _shifted(hit: Hit, after_s: float) -> Hit:
    return Hit(after_s, hit.client, hit.request, hit.status, hit.size, hit.referrer, hit.agent)
