"""The behaviour scorer: what changes a customer's features, and what the rule makes of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.ecommerce import CustomerBehavior, Order, OrderLine
from contracts.features import CustomerFeatures
from models.behavior.scorer import RfmRule
from streaming.processors.behavior_scorer import BehaviorScorer
from streaming.processors.processor import Record, Result
from streaming.runtime.processing.store import View

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Nothing:
    """An empty store."""

    def get(self, key: bytes) -> bytes | None:
        return None

    def entries(self, start: bytes, end: bytes) -> dict[bytes, bytes]:
        return {}


def order(order_id: str, days: float = 0.0, price: str = "2.50", version: int = 1, **fields: Any) -> Order:
    told: dict[str, Any] = {"channel": "store", "kind": "order", "customer_id": "C"} | fields
    sign = -1 if told["kind"] == "return" else 1
    return Order(
        event_id=f"{told['channel']}-{order_id}-{version}",
        event_time=START + timedelta(days=days),
        source="test",
        order_id=order_id,
        currency="GBP",
        lines=[OrderLine(sku="A", quantity=2 * sign, unit_price=price)],
        total="0",
        **told,
    )


def scored(*batches: list[Order]) -> tuple[list[CustomerBehavior], list[Result]]:
    view, results = View(Nothing()), list[Result]()
    for batch in batches:
        records = [Record(event, None, offset) for offset, event in enumerate(batch)]
        results.append(BehaviorScorer(RfmRule()).process("orders", records, view, START))
        assert results[-1].used + sum(results[-1].drops.values()) == len(batch)
    values = [output.value for result in results for output in result.outputs]
    return [value for value in values if isinstance(value, CustomerBehavior)], results


def test_features_follow_each_order() -> None:
    events, _ = scored([order("1"), order("2", 10), order("3", 30, "1.0001"), order("r", 33, kind="return")])
    last = events[-1]
    assert [event.orders for event in events] == [1, 2, 3, 3]
    assert (last.returns, last.monetary) == (1, "7.0002")
    assert (last.recency_days, last.tenure_days, last.mean_gap_days) == (3.0, 33.0, 15.0)
    assert last.mean_basket_lines == 1.0
    assert last.order_days == 3
    assert (last.last_gap_days, last.median_gap_days, last.longest_gap_days) == (20, 15.0, 20)
    assert last.feature_cutoff == last.event_time == START + timedelta(days=33)


def test_an_order_that_is_told_again_or_less_believed_changes_nothing() -> None:
    events, (result,) = scored([order("1"), order("1"), order("1", 9, "99", channel="web")])
    assert len(events) == 1
    assert dict(result.drops) == {"repeated": 1, "the order database is believed": 1}


def test_a_better_witness_replaces_what_was_told() -> None:
    events, _ = scored([order("1", 5, "99", channel="web"), order("1", 2), order("1", 3, "4.00", version=2)])
    assert [(event.orders, event.monetary) for event in events] == [(1, "198.0000"), (1, "5.0000"), (1, "8.0000")]
    assert events[-1].feature_cutoff == START + timedelta(days=3)


def test_guests_and_adjustments_are_dropped() -> None:
    events, (result,) = scored([order("1", customer_id=None), order("2", kind="adjustment")])
    assert not events
    assert dict(result.drops) == {"guest": 1, "neither order nor return": 1}


ORDERS = st.builds(
    order,
    st.sampled_from(["1", "2", "3"]),
    st.integers(-30, 30),
    st.sampled_from(["0", "2.55", "10.0001"]),
    st.integers(1, 2),
    channel=st.sampled_from(["web", "store"]),
    customer_id=st.sampled_from(["C", "D"]),
)


@given(st.lists(ORDERS, min_size=1, max_size=12), st.data())
def test_what_comes_out_does_not_depend_on_how_the_stream_is_cut(orders: list[Order], data: st.DataObject) -> None:
    batches, rest = list[list[Order]](), list(orders)
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        batches.append(rest[:size])
        rest = rest[size:]
    assert scored(*batches)[0] == scored(orders)[0]


def features(orders: int, tenure: float | None, gap: float | None, recency: float | None) -> CustomerFeatures:
    return CustomerFeatures(0, orders, 0, 0, recency, tenure, gap, 1.0, orders, None, None, None)


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
