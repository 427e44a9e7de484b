"""The simulated shop: reproducible by its seed, with valid events and realistic behavior."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from headrace.cases.ecommerce.simulator.run import DEFAULT_START, Plan, outcomes
from headrace.contracts.errors import Terminal
from tests.unit.sources.walking import Walk, walk


@pytest.fixture(scope="module")
def month() -> Walk:
    return walk(outcomes(Plan(days=30), seed=7))


@pytest.mark.parametrize("plan", [Plan(days=2), Plan(rate=50, seconds=20), Plan(events=300)])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(plan: Plan) -> None:
    first, again, other = (walk(outcomes(plan, seed)) for seed in (7, 7, 8))
    keys = [(item.topic, item.key) for item in first.accepted]
    assert keys == [(item.topic, item.key) for item in again.accepted]
    assert first.values == again.values
    assert first.values != other.values
    assert not {event.event_id for event in first.events} & {event.event_id for event in other.events}


def test_everything_simulated_is_accepted_by_its_own_parser(month: Walk) -> None:
    assert (month.rejected, month.ignored) == ([], [])
    assert len(month.values) == len(month.accepted)
    assert len({event.event_id for event in month.events}) == len(month.accepted)


def test_a_month_fills_every_topic_of_both_cases(month: Walk) -> None:
    topics = Counter(item.topic for item in month.accepted)
    assert 20_000 < topics.total() < 50_000
    assert topics["weather_data"] == 30 * 24 * 3
    assert topics["web_logs"] > 10 * topics["orders"] > 1_000
    assert min(topics["customers"], topics["social_media"], topics["customer_feedback"]) > 200
    times = [event.event_time for event in month.events]
    assert min(times) == DEFAULT_START
    assert max(times) < DEFAULT_START + timedelta(days=30)


def test_purchases_add_up_to_what_is_in_the_cart(month: Walk) -> None:
    carts: defaultdict[str, dict[str, tuple[int, str]]] = defaultdict(dict)
    bought = 0
    for event in month.of("web_logs"):
        cart = carts[event.session_id]
        if event.pixel_event == "add_to_cart":
            quantity = cart.get(event.sku, (0, ""))[0] + event.quantity
            cart[event.sku] = (quantity, event.unit_price)
        elif event.pixel_event == "remove_from_cart":
            del cart[event.sku]
        elif event.pixel_event == "purchase":
            bought += 1
            assert Decimal(event.order_total) == sum(quantity * Decimal(price) for quantity, price in cart.values())
    assert bought > 100


def test_customers_come_back_and_are_known_before_they_order(month: Walk) -> None:
    known: set[str] = set()
    for item, event in zip(month.accepted, month.events, strict=True):
        if item.topic == "customers":
            known.add(event.customer_id)
        elif item.topic == "orders":
            assert event.customer_id in known
    visits = Counter(e.customer_id for e in month.of("web_logs") if e.customer_id and e.pixel_event == "page_view")
    top = sorted(visits.values(), reverse=True)
    assert sum(top[: len(top) // 10]) > 0.2 * sum(top)


def test_there_are_robots_and_several_kinds_of_device(month: Walk) -> None:
    devices = Counter(event.device for event in month.of("web_logs"))
    assert {"desktop", "mobile", "tablet", "bot"} <= set(devices)
    assert 0.02 < devices["bot"] / devices.total() < 0.3


def test_ratings_follow_the_quality_of_the_product(month: Walk) -> None:
    ratings: defaultdict[str, list[int]] = defaultdict(list)
    for event in month.of("customer_feedback"):
        ratings[event.product_id].append(event.rating)
    means = sorted(mean(values) for values in ratings.values() if len(values) >= 3)
    assert means[-1] - means[0] > 1


def test_a_live_run_spaces_its_events_evenly_from_its_start() -> None:
    start = datetime(2026, 5, 1, 12, tzinfo=UTC)
    found = walk(outcomes(Plan(rate=10, seconds=30, start=start), seed=1))
    assert len(found.accepted) == 300
    for number, event in enumerate(found.events):
        assert abs((event.event_time - start).total_seconds() - number / 10) <= 1
    assert any(event.pixel_event == "purchase" for event in found.of("web_logs"))
    assert all(event.registered_at <= event.event_time for event in found.of("customers"))


def test_runs_of_other_times_share_customers_and_no_ids() -> None:
    first = walk(outcomes(Plan(days=3), seed=7))
    other = walk(outcomes(Plan(days=3, start=datetime(2026, 3, 1, tzinfo=UTC)), seed=7))
    assert not {event.event_id for event in first.events} & {event.event_id for event in other.events}
    assert {e.customer_id for e in first.of("customers")} & {e.customer_id for e in other.of("customers")}


def test_an_order_book_comes_back_from_its_log_line_by_line(tmp_path: Path) -> None:
    rows = (
        "536365,85123A,HOLDER,6,2010-12-01 08:26:00,2.55,17850,United Kingdom",
        "536365,85123A,HOLDER,6,2010-12-01 08:26:00,2.55,17850,United Kingdom",
        "536366,GIFT 1,VOUCHER,2,2010-12-01 08:28:00,0.001,13047,EIRE",
        "536367,22,GUEST,1,2010-12-01 08:30:00,1,,France",
        "C536368,22,RETURN,-1,2010-12-01 08:31:00,1,17850,United Kingdom",
    )
    path = tmp_path / "book.csv"
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
    path.write_text("\n".join((header, *rows)))
    found = walk(outcomes(Plan(orders=path), seed=1))
    assert not found.rejected
    times = [event.event_time for event in found.events]
    assert times == sorted(times)
    lines: defaultdict[str, list[Any]] = defaultdict(list)
    purchases: dict[str, Any] = {}
    for event in found.events:
        if event.session_id and event.session_id.startswith("book-"):
            lines[event.session_id].append((event.sku, event.quantity, event.unit_price))
            if event.pixel_event == "purchase":
                purchases[event.order_id] = event
    assert set(purchases) == {"536365", "536366"}
    added = [line for line in lines["book-536365"] if line[0]]
    assert added == [("85123A", 6, "2.55")] * 2
    assert [line for line in lines["book-536366"] if line[0]] == [("GIFT 1", 2, "0.001")]
    assert (purchases["536365"].order_total, purchases["536366"].order_total) == ("30.60", "0.002")
    assert purchases["536366"].country == "EIRE"
    assert purchases["536366"].event_time == datetime(2010, 12, 1, 8, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    "plan", [Plan(days=1, seconds=1), Plan(orders=Path("x"), days=1), Plan(orders=Path("x"), seconds=1)]
)
def test_options_that_contradict_each_other_are_refused(plan: Plan) -> None:
    with pytest.raises(Terminal):
        outcomes(plan, seed=1)
