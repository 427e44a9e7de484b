"""The behavior scorer: what changes a customer's features, and how the rule scores them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.cases.ecommerce.models.behavior.rule import RfmRule
from headrace.cases.ecommerce.processors.behavior_scorer import BehaviorScorer
from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.cases.ecommerce.topics.orders import Order, OrderLine
from headrace.contracts.decoding import decode, encode
from headrace.contracts.features import CustomerFeatures, spend_of
from headrace.contracts.types import MAX_QUANTITY
from headrace.streaming.runtime.processing.processor import Record, Result
from headrace.streaming.runtime.processing.store import View
from headrace.warehouse.tables import table
from tests.unit.processing.empty_store import EmptyStore

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def order(order_id: str, days: float = 0.0, price: str = "2.50", version: int = 1, **fields: Any) -> Order:
    values: dict[str, Any] = {"channel": "store", "kind": "order", "customer_id": "C", "currency": "GBP"} | fields
    if values["channel"] == "store":
        values["quality_flag"] = None
    sign = -1 if values["kind"] == "return" else 1
    return Order(
        event_id=f"{values['channel']}-{order_id}-{version}",
        event_time=START + timedelta(days=days),
        source="test",
        order_id=order_id,
        lines=[OrderLine(sku="A", quantity=2 * sign, unit_price=price)],
        total=values.pop("total", "0"),
        **values,
    )


def scored(*batches: list[Order]) -> tuple[list[CustomerBehavior], list[Result]]:
    view, results = View(EmptyStore()), list[Result]()
    for batch in batches:
        records = [Record(event, None, offset) for offset, event in enumerate(batch)]
        results.append(BehaviorScorer(RfmRule()).process("orders", records, view, START))
        assert results[-1].used + sum(results[-1].drops.values()) == len(batch)
    values = [output.value for result in results for output in result.outputs]
    return [value for value in values if isinstance(value, CustomerBehavior)], results


def test_a_customer_of_the_largest_amounts_is_scored_and_their_sum_is_exact() -> None:
    lines = [OrderLine(sku="A", quantity=MAX_QUANTITY, unit_price="99999999999999.9999")] * 25
    orders = [msgspec.structs.replace(order(str(number)), lines=lines) for number in range(3)]
    corrected = order("1", price="-0.0000", version=2)
    (*_, event), results = scored(orders[:2], orders[2:], [corrected])
    assert [result.used for result in results] == [2, 1, 1]
    assert Decimal(event.monetary_value) == 50 * MAX_QUANTITY * Decimal("99999999999999.9999")
    decode(CustomerBehavior, encode(event))


def test_an_expected_spend_that_is_no_amount_is_left_out() -> None:
    assert [spend_of(each) for each in (None, 2.555, 1e20, 1e30, float("inf"), float("nan"))] == [
        None,
        "2.56",
        "100000000000000000000.00",
        None,
        None,
        None,
    ]


def test_features_follow_each_order() -> None:
    events, _ = scored([order("1"), order("2", 10), order("3", 30, "1.0001"), order("r", 33, kind="return")])
    last = events[-1]
    assert [event.orders for event in events] == [1, 2, 3, 3]
    assert (last.returns, last.monetary_value) == (1, "7.0002")
    assert (last.recency_days, last.tenure_days, last.mean_gap_days) == (3.0, 33.0, 15.0)
    assert last.mean_basket_lines == 1.0
    assert last.order_days == 3
    assert (last.last_gap_days, last.median_gap_days, last.longest_gap_days) == (20, 15.0, 20)
    assert last.feature_cutoff == last.event_time == START + timedelta(days=33)


def test_amounts_of_two_currencies_are_not_added_and_those_left_out_are_counted() -> None:
    first = [order("1"), order("2", 1, "7", currency="EUR"), order("3", 2, currency="EUR")]
    refused = order("4", 3, currency="euro")
    corrections = [order("2", 1, "7", version=2), order("5", 4), order("5", 4, version=2, currency="EUR")]
    events, (result,) = scored([*first, refused, *corrections])
    assert [(each.currency, each.monetary_value, each.orders_in_other_currencies) for each in events] == [
        ("GBP", "5.0000", 0),
        ("EUR", "14.0000", 1),  # one of each: the first by alphabet
        ("EUR", "19.0000", 1),
        ("GBP", "19.0000", 1),  # a correction moves one
        ("GBP", "24.0000", 1),
        ("EUR", "10.0000", 2),
    ]
    assert [event.orders for event in events] == [1, 2, 3, 3, 4, 4]
    assert dict(result.drops) == {"no such currency": 1}


def test_a_repeated_order_or_one_of_lower_precedence_changes_nothing() -> None:
    events, (result,) = scored([order("1"), order("1"), order("1", 9, "99", channel="web")])
    assert len(events) == 1
    assert dict(result.drops) == {"repeated": 1, "the order database takes precedence": 1}


def test_an_order_of_higher_precedence_replaces_the_one_before() -> None:
    events, _ = scored([order("1", 5, "99", channel="web"), order("1", 2), order("1", 3, "4.00", version=2)])
    assert [(event.orders, event.monetary_value) for event in events] == [(1, "198.0000"), (1, "5.0000"), (1, "8.0000")]
    assert events[-1].feature_cutoff == START + timedelta(days=3)


def test_an_unverified_purchase_is_in_no_feature_and_never_takes_precedence() -> None:
    events, (result,) = scored(
        [
            order("1", 5, "99", channel="web", quality_flag="unverified"),
            order("1", 2, channel="web", version=2),
            order("1", 9, "99", channel="web", quality_flag="unverified", version=3),
            order("1", 2, "4.00"),
        ]
    )
    assert [(event.orders, event.monetary_value) for event in events] == [(1, "5.0000"), (1, "8.0000")]
    assert dict(result.drops) == {"unverified": 1, "a verified order takes precedence": 1}


def test_a_signed_purchase_counts_its_signed_total_and_not_its_lines() -> None:
    events, _ = scored([order("1", price="500000.00", channel="web", verified=True, total="1.00")])
    assert [(event.orders, event.monetary_value) for event in events] == [(1, "1.0000")]


def test_an_order_dated_more_than_a_day_after_its_arrival_is_in_no_feature() -> None:
    arrived_ms = int(START.timestamp() * 1_000)
    orders = [order("1", -9), order("2", 366_000), order("3", 1.0), order("4", 1.0001)]
    records = [Record(each, None, number, arrived_ms) for number, each in enumerate(orders)]
    result = BehaviorScorer(RfmRule()).process("orders", records, View(EmptyStore()), START)
    assert dict(result.drops) == {"from the future": 2}
    assert [output.value.orders for output in result.outputs if isinstance(output.value, CustomerBehavior)] == [1, 2]


def test_guests_and_adjustments_are_dropped() -> None:
    events, (result,) = scored([order("1", customer_id=None), order("2", kind="adjustment")])
    assert not events
    assert dict(result.drops) == {"guest": 1, "neither order nor return": 1}


def test_a_customer_whose_only_order_turns_out_to_be_none_is_taken_back() -> None:
    _, (result,) = scored([order("1"), order("1", kind="adjustment", version=2), order("1", version=3)])
    assert [output.value is None for output in result.outputs] == [False, True, False]


def test_amounts_are_exact_however_large() -> None:
    line = OrderLine(sku="A", quantity=1_000_000_007, unit_price="9999.9999")
    huge = msgspec.structs.replace(order("1"), lines=[line] * 7)
    assert [event.monetary_value for event in scored([huge])[0]] == ["69999999789999.9951"]


class Counting(View):
    """A view that counts what is read of it."""

    reads = 0

    def get(self, key: bytes) -> bytes | None:
        self.reads += 1
        return super().get(key)

    def entries(self, start: bytes, end: bytes) -> dict[bytes, bytes]:
        found = super().entries(start, end)
        self.reads += len(found)
        return found


def test_an_order_costs_the_same_however_many_the_customer_has() -> None:
    view, scorer = Counting(EmptyStore()), BehaviorScorer(RfmRule())

    def read_by(orders: list[Order]) -> int:
        before = view.reads
        scorer.process("orders", [Record(each, None, number) for number, each in enumerate(orders)], view, START)
        return view.reads - before

    few = read_by([order(str(number), number) for number in range(100)])
    read_by([order(str(number), number) for number in range(100, 3_000)])
    assert read_by([order(str(number), number) for number in range(3_000, 3_100)]) == few
    sizes = {key: len(value) for key, value in view.changes.items() if value is not None}
    # A value that grows with the orders would eventually exceed its changelog's limit. The number of days is bounded.
    assert sizes.pop(b"dC") < 2 * 3_100
    assert max(sizes.values()) < 100
    # Corrections that move orders cost more, once per batch.
    moved = [order(str(number), number + 0.5, version=2) for number in range(3_000, 3_100)]
    assert read_by(moved) < 3_100 + 4 * len(moved)


IDS = st.sampled_from(["1", "2", "3", "4"])
ORDERS = st.builds(
    lambda order_id, *given, **more: order(f"{more['customer_id']}{order_id}", *given, **more),
    IDS,
    st.integers(-30, 30),
    st.sampled_from(["0", "2.55", "10.0001"]),
    st.integers(1, 3),
    kind=st.sampled_from(["order", "order", "return", "adjustment"]),
    channel=st.sampled_from(["web", "web", "store"]),
    quality_flag=st.sampled_from([None, None, "unverified"]),
    verified=st.sampled_from([None, False, True]),
    total=st.sampled_from(["0", "1.0000"]),
    customer_id=st.sampled_from(["C", "D"]),
)


@pytest.fixture(scope="module")
def warehouse() -> duckdb.DuckDBPyConnection:
    """A warehouse with only the inputs of `core.customer_features`."""
    db = duckdb.connect()
    db.execute("set timezone = 'UTC'; create schema raw; create schema core")
    db.execute("""
        create table raw.orders (
            order_id varchar, event_id varchar, channel varchar, kind varchar, event_time timestamptz,
            customer_id varchar, country varchar, currency varchar, total decimal(18, 4), source varchar,
            lines struct(sku varchar, quantity bigint, unit_price decimal(18, 4))[],
            quality_flag varchar, verified boolean,
            _is_tombstone boolean, _kafka_time integer, _topic_id integer, _partition integer, _offset integer
        )
    """)
    for name in ("core.orders", "core.customer_features"):
        db.execute(f"create view {name} as {table(name).sql}")
    return db


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ORDERS, min_size=1, max_size=15), st.data())
def test_the_stream_and_the_warehouse_compute_the_same_features_to_the_last_digit(
    warehouse: duckdb.DuckDBPyConnection, orders: list[Order], data: st.DataObject
) -> None:
    """For orders that are late, repeated, corrected, sent by both channels, returned or taken back, at any times."""
    times = data.draw(st.lists(st.integers(-3, 3), min_size=len(orders), max_size=len(orders)))
    warehouse.execute("delete from raw.orders")
    warehouse.executemany(
        "insert into raw.orders values (?, ?, ?, ?, ?, ?, null, 'GBP', ?, 'test', ?, ?, ?, false, ?, 0, 0, ?)",
        [
            (
                *(each.order_id, each.event_id, each.channel, each.kind, each.event_time, each.customer_id, each.total),
                [{"sku": line.sku, "quantity": line.quantity, "unit_price": line.unit_price} for line in each.lines],
                *(each.quality_flag, each.verified, time, offset),
            )
            for offset, (time, each) in enumerate(zip(times, orders, strict=True))
        ],
    )
    built = warehouse.execute("""
        select customer_id, epoch_us(feature_cutoff), orders, returns, monetary_value::decimal(18, 4)::varchar,
            recency_days, tenure_days, mean_gap_days, mean_basket_lines, order_days, last_gap_days, median_gap_days,
            longest_gap_days
        from core.customer_features order by customer_id
    """).fetchall()
    _, (result,) = scored(orders)
    last = {output.key.decode(): output.value for output in result.outputs}
    streamed = [
        (
            *(name, (event.feature_cutoff - EPOCH) // timedelta(microseconds=1), event.orders, event.returns),
            *(
                event.monetary_value,
                event.recency_days,
                event.tenure_days,
                event.mean_gap_days,
                event.mean_basket_lines,
            ),
            *(event.order_days, event.last_gap_days, event.median_gap_days, event.longest_gap_days),
        )
        for name, event in sorted(last.items())
        if isinstance(event, CustomerBehavior)
    ]
    assert streamed == built


@given(st.lists(ORDERS, min_size=1, max_size=12), st.data())
def test_the_output_does_not_depend_on_how_the_stream_is_batched(orders: list[Order], data: st.DataObject) -> None:
    batches, rest = list[list[Order]](), list(orders)
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        batches.append(rest[:size])
        rest = rest[size:]
    assert scored(*batches)[0] == scored(orders)[0]


def features(orders: int, tenure: float | None, gap: float | None, recency: float | None) -> CustomerFeatures:
    return CustomerFeatures(0, orders, 0, "GBP", 0, 0, recency, tenure, gap, 1.0, orders, None, None, None)


def test_the_rule_ranks_frequent_and_recent_customers_higher_and_names_segments() -> None:
    cases = {
        "loyal": features(12, 220.0, 20.0, 0.0),
        "returning": features(3, 100.0, 50.0, 0.0),
        "new": features(1, 0.0, None, 0.0),
        "lapsing": features(3, 300.0, 50.0, 150.0),
        "no order": features(0, None, None, None),
    }
    scores = dict(zip(cases, RfmRule().score(list(cases.values())), strict=True))
    assert {name: score.segment for name, score in scores.items()} == {name: name for name in cases}
    assert scores["loyal"].probability > scores["returning"].probability > scores["lapsing"].probability
    assert all(0.0 < score.probability < 1.0 for score in scores.values())
