"""Training frames: the same features as the stream's, without data after the cutoff, and labels from that data."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import duckdb
import polars as pl
import pytest

from headrace.cases.ecommerce.processors.behavior_scorer import BehaviorScorer
from headrace.cases.ecommerce.processors.customer_orders import CustomerOrders
from headrace.cases.ecommerce.topics.orders import Order, OrderLine
from headrace.contracts.features import MONEY_UNITS, CustomerFeatures
from headrace.streaming.runtime.processing.store import View
from headrace.warehouse import frames
from headrace.warehouse.tables import table

START = datetime(2026, 1, 1, tzinfo=UTC)
CUTOFFS = [START + timedelta(days=days) for days in (20, 50, 80)]
FEATURES = (
    "orders", "returns", "currency", "monetary_value", "orders_in_other_currencies", "recency_days", "tenure_days",
    "mean_gap_days", "mean_basket_lines", "order_days", "last_gap_days", "median_gap_days", "longest_gap_days",
)  # fmt: skip


def document(
    number: int, customer: str | None, days: float, kind: str = "order", revenue: str = "10", currency: str = "GBP"
) -> dict[str, Any]:
    time = START + timedelta(days=days)
    return {
        "order_id": str(number),
        "customer_id": customer,
        "kind": kind,
        "ordered_at": time,
        "order_date": time.date(),
        "line_count": 1 + number % 7,
        "currency": currency,
        "revenue": Decimal(revenue),
    }


def documents(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema_overrides={"revenue": pl.Decimal(38, 4), "ordered_at": pl.Datetime("us", "UTC")})


def history(seed: int = 1, size: int = 400, until: float = 200) -> list[dict[str, Any]]:
    random = Random(seed)
    return [
        document(
            number,
            random.choice(["A", "B", "C", "D", None]),
            # Whole days too, so that documents fall on one day, at one time, and at a cutoff itself.
            random.choice([random.uniform(-9, until), random.randrange(int(until))]),
            random.choice(["order", "order", "return", "adjustment"]),
            f"{random.randrange(-9_999_999, 9_999_999) / MONEY_UNITS:.4f}",
            random.choice(["GBP", "EUR", "USD"]),
        )
        for number in range(size)
    ]


class Nothing:
    """An empty store."""

    def get(self, key: bytes) -> bytes | None:
        return None

    def entries(self, start: bytes, end: bytes) -> dict[bytes, bytes]:
        return {}


def streamed_features(rows: list[dict[str, Any]]) -> CustomerFeatures | None:
    """What the stream makes of a customer's documents."""
    customer = CustomerOrders(BehaviorScorer.tables(View(Nothing())), "any")
    for row in rows:
        prices = [f"{row['revenue']:.4f}", *["0"] * (row["line_count"] - 1)]
        order = Order(
            event_id=row["order_id"],
            event_time=row["ordered_at"],
            source="test",
            order_id=row["order_id"],
            channel="store",
            kind=row["kind"],
            currency=row["currency"],
            lines=[OrderLine(sku="A", quantity=1, unit_price=price) for price in prices],
            total="0",
        )
        customer.learn(order)
    return customer.features()


@pytest.mark.parametrize("seed", range(5))
def test_the_statement_and_the_stream_compute_the_same_features_to_the_last_bit(seed: int) -> None:
    rows = history(seed, size=10 * (seed + 1) ** 2)
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("documents", documents(rows))
        connection.execute("create schema core")
        connection.execute("create table core.orders as from documents")
        built = connection.execute(f"from ({table('core.customer_features').sql}) order by customer_id").pl()
    for row in built.iter_rows(named=True):
        streamed = streamed_features([each for each in rows if each["customer_id"] == row["customer_id"]])
        assert streamed is not None
        assert (row["feature_cutoff"] - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) == (
            streamed.cutoff_us
        )
        assert row["monetary_value"] * MONEY_UNITS == streamed.monetary_units
        for name in FEATURES:
            if name != "monetary_value":
                assert row[name] == getattr(streamed, name), name
    assert built.height == len({row["customer_id"] for row in rows if row["kind"] != "adjustment"} - {None})


def test_no_event_after_a_cutoff_changes_any_of_its_features() -> None:
    rows = history()
    features = ["customer_id", "cutoff", *FEATURES]
    for cutoff in CUTOFFS:
        past = [row for row in rows if row["ordered_at"] <= cutoff]
        futures = (
            past,
            past + history(seed=9, until=500)[-200:],
            past
            + [row | {"ordered_at": row["ordered_at"] + timedelta(days=1), "revenue": -row["revenue"]} for row in rows],
        )
        seen = [
            frames.behavior_at(
                documents([row for row in future if row in past or row["ordered_at"] > cutoff]), [cutoff]
            ).select(features)
            for future in futures
        ]
        assert seen[0].height == 4
        assert seen[0].equals(seen[1])
        assert seen[0].equals(seen[2])


def test_labels_are_of_the_days_after_the_cutoff() -> None:
    rows = [
        document(1, "A", 0),
        document(2, "A", 49, revenue="7"),
        document(3, "A", 51, "return", "-2"),
        document(4, "B", 20),
        document(5, "B", 50.5, revenue="3"),
        document(6, "C", 30),
        document(7, "C", 120, revenue="5"),
        document(8, "D", 19, "return", "-1"),
    ]
    frame = frames.behavior_at(documents(rows), CUTOFFS[:2])
    labels = {(row["customer_id"], row["cutoff"].day): (row["ordered"], row["spend"]) for row in frame.to_dicts()}
    assert labels == {
        ("A", 21): (True, 5.0),
        ("B", 21): (False, 3.0),  # one second too late for 30 days; the order at the cutoff is in the features
        ("A", 20): (False, None),  # not all of the 90 days are known yet
        ("B", 20): (True, None),
        ("C", 20): (False, None),
    }


def test_spend_is_in_the_currency_of_most_of_the_customers_orders_until_the_cutoff() -> None:
    rows = [
        document(1, "A", 0, revenue="1", currency="USD"),
        document(2, "A", 1, revenue="2", currency="USD"),
        document(3, "A", 2, revenue="4", currency="EUR"),
        document(4, "A", 30, revenue="8", currency="USD"),
        document(5, "A", 31, revenue="16", currency="EUR"),
        document(6, "A", 32, revenue="32", currency="EUR"),
        document(7, "B", 200),
    ]
    (row,) = frames.behavior_at(documents(rows), CUTOFFS[:1]).to_dicts()
    assert (row["currency"], row["monetary_value"], row["orders_in_other_currencies"], row["spend"]) == (
        "USD",
        3.0,
        1,
        8.0,
    )


def test_cutoffs_are_midnights_whose_label_is_complete_and_as_far_apart_as_the_label() -> None:
    as_of = datetime(2011, 8, 31, 17, 45, tzinfo=UTC)
    cutoffs = frames.behavior_cutoffs(datetime(2010, 12, 1, 8, tzinfo=UTC), as_of)
    assert cutoffs[-1] == datetime(2011, 8, 1, tzinfo=UTC)
    assert cutoffs[-1] - frames.LABEL in cutoffs
    assert cutoffs[0] == datetime(2011, 1, 3, tzinfo=UTC)
    assert len(frames.behavior_cutoffs(as_of, as_of)) == 1
