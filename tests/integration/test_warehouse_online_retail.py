"""The marts on a real order book, against the same figures computed from its file with pandas, to the last digit.

Amounts are whole numbers of ten-thousandths on both sides, so nothing is rounded and equal means equal.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pandas as pd

from headrace.cases.ecommerce.sources.order_book.online_retail import outcomes, read_lines
from headrace.contracts.settings import Settings
from headrace.contracts.types import Event
from headrace.streaming.sources.outcomes import Accepted
from headrace.warehouse.query import run
from tests.integration.building import build_from
from tests.integration.landed import Landing
from tests.shared_data import shared

BOOK = "online-retail/online_retail_to_2011-08.parquet"
Frame = Any
"""A pandas frame or column; pandas' own annotations leave open what an expression yields."""
UNITS = 10_000
BASKET_MONTH = pd.Timestamp("2011-03-01")


def test_every_mart_of_the_real_order_book_equals_pandas_and_a_repeat_is_a_no_op(fresh: Settings) -> None:
    landing = Landing(fresh)
    events_by_topic = _events()
    for topic, events in events_by_topic.items():
        landing.land(topic, events)
    build_from(fresh)
    lines = _lines()
    for mart, expected in _expected(lines):
        found = _found(fresh, mart, expected)
        pd.testing.assert_frame_equal(found, expected, check_dtype=False, obj=mart)
    _known_facts(fresh)
    for topic, events in events_by_topic.items():
        landing.land(topic, events)
    again = {name: result for name, result in build_from(fresh).items() if not name.startswith("raw.")}
    changed = {name for name, result in again.items() if result.inserted or result.updated or result.deleted}
    assert changed == set()


def _known_facts(settings: Settings) -> None:
    """What is written beside the file."""
    assert run(settings, "select sum(revenue), sum(gross_revenue) from marts.sales_daily").rows == [
        (Decimal("5761931.3820"), Decimal("6293764.0020"))
    ]
    counts = "select (select count(*) from core.orders), (select count(distinct customer_id) from core.customers)"
    assert run(settings, counts).rows == [(16_459, 3_360)]
    assert run(settings, "select count(*), sum(revenue) from core.order_lines").rows == [
        (320_705, Decimal("5761931.3820"))
    ]
    refused = "select count(*) from quarantine.core_orders union all select count(*) from quarantine.core_customers"
    assert run(settings, refused).rows == [(0,), (0,)]


def _events() -> dict[str, list[Event]]:
    events: dict[str, list[Event]] = {"orders": [], "customers": []}
    for outcome in outcomes(read_lines(shared(BOOK))):
        assert isinstance(outcome, Accepted)
        events[outcome.topic].append(outcome.event)
    return events


def _found(settings: Settings, mart: str, expected: Frame) -> Frame:
    """The columns expected, of the rows whose keys are, in their order; amounts in whole units."""
    keys = [str(name) for name in expected.index.names]
    money = {"revenue", "gross_revenue", "returned_revenue", "adjusted_revenue", "revenue_28d"}
    values = ", ".join(
        f"({name} * {UNITS})::bigint as {name}" if name in money else f"{name}::bigint as {name}"
        for name in map(str, expected.columns)
    )
    answer = run(settings, f"select {', '.join(keys)}, {values} from {mart}")
    frame: Frame = pd.DataFrame(answer.rows, columns=list(answer.columns))
    for name in keys:
        if name.endswith(("_date", "_month")):
            frame[name] = pd.to_datetime(frame[name]).astype("datetime64[us]")
    return frame.set_index(keys).sort_index().astype("int64")


def _lines() -> Frame:
    """The file's lines with what their invoice is: its first time, and the first customer and country it names."""
    book: Frame = pd.read_parquet(shared(BOOK))
    book["price"] = [int(Decimal(str(price)) * UNITS) for price in book["UnitPrice"]]
    book["revenue"] = book["Quantity"].astype("int64") * book["price"]
    by_invoice = book.groupby("InvoiceNo", sort=False)
    lines: Frame = pd.DataFrame(
        {
            "invoice": book["InvoiceNo"],
            "sku": book["StockCode"],
            "units": book["Quantity"].astype("int64"),
            "revenue": book["revenue"],
            "time": pd.to_datetime(by_invoice["InvoiceDate"].transform("first")),
            "customer": by_invoice["CustomerID"].transform("first"),
            "country": by_invoice["Country"].transform("first"),
        }
    )
    first = lines["invoice"].str[0]
    lines["kind"] = first.map({"C": "return", "A": "adjustment"}).fillna("order")
    lines["date"] = lines["time"].dt.normalize()
    lines["month"] = lines["date"].dt.to_period("M").dt.to_timestamp()
    return lines


def _expected(lines: Frame) -> Iterator[tuple[str, Frame]]:
    yield "marts.sales_daily", _sales_daily(lines)
    yield "marts.product_months", _product_months(lines)
    yield "marts.product_trends", _product_trends(lines)
    yield f"(from marts.basket_affinity where sale_month = date '{BASKET_MONTH:%Y-%m-%d}')", _baskets(lines)
    yield "marts.cohort_retention", _cohorts(lines)
    yield "marts.customer_360", _customers(lines)
    yield "marts.sales_by_residence", _residences(lines)


def _keyed(frame: Frame, **names: str) -> Frame:
    """With the marts' names for the index, in its order, and no gaps in whole numbers."""
    keyed: Frame = frame.rename_axis(index=names).fillna(0).astype("int64")
    return keyed.sort_index()


def _sales_daily(lines: Frame) -> Frame:
    keys = ["date", "country"]
    orders = lines[lines["kind"] == "order"]
    frame: Frame = pd.DataFrame(
        {
            "orders": orders.groupby(keys)["invoice"].nunique(),
            "returns": lines[lines["kind"] == "return"].groupby(keys)["invoice"].nunique(),
            "adjustments": lines[lines["kind"] == "adjustment"].groupby(keys)["invoice"].nunique(),
            "customers": orders.groupby(keys)["customer"].nunique(),
            "units": lines.groupby(keys)["units"].sum(),
            "gross_revenue": orders.groupby(keys)["revenue"].sum(),
            "returned_revenue": lines[lines["kind"] == "return"].groupby(keys)["revenue"].sum(),
            "adjusted_revenue": lines[lines["kind"] == "adjustment"].groupby(keys)["revenue"].sum(),
            "revenue": lines.groupby(keys)["revenue"].sum(),
        }
    )
    return _keyed(frame, date="sale_date")


def _product_months(lines: Frame) -> Frame:
    keys = ["month", "sku"]
    orders = lines[lines["kind"] == "order"]
    frame: Frame = pd.DataFrame(
        {
            "orders": orders.groupby(keys)["invoice"].nunique(),
            "customers": orders.groupby(keys)["customer"].nunique(),
            "units_sold": orders.groupby(keys)["units"].sum(),
            "units_returned": -lines[lines["kind"] == "return"].groupby(keys)["units"].sum(),
            "revenue": lines.groupby(keys)["revenue"].sum(),
        }
    )
    frame["revenue_rank"] = frame.groupby("month")["revenue"].rank(method="min", ascending=False)
    return _keyed(frame, month="sale_month")


def _product_trends(lines: Frame) -> Frame:
    daily = lines.groupby(["sku", "date"])[["units", "revenue"]].sum()
    by_sku = daily.reset_index("sku").groupby("sku")
    frame = daily.assign(
        # Sums of doubles are exact here: none comes near 2 to the power of 53.
        units_7d=by_sku["units"].rolling("7D").sum(),
        units_28d=by_sku["units"].rolling("28D").sum(),
        revenue_28d=by_sku["revenue"].rolling("28D").sum(),
    )
    return _keyed(frame.round(), date="sale_date")


def _baskets(lines: Frame) -> Frame:
    month = lines[(lines["kind"] == "order") & (lines["month"] == BASKET_MONTH)]
    items = month[["invoice", "sku"]].drop_duplicates()
    orders = items["sku"].value_counts()
    least = max(3, -(-items["invoice"].nunique() * 5 // 1000))
    items = items[items["sku"].map(orders) >= least]
    items = items[items.groupby("invoice")["sku"].transform("size") <= 300]
    pairs = items.merge(items, on="invoice")
    pairs = pairs[pairs["sku_x"] < pairs["sku_y"]]
    frame = pairs.groupby(["sku_x", "sku_y"]).size().to_frame("orders_together")
    frame = frame[frame["orders_together"] >= least]
    frame["orders_a"] = frame.index.get_level_values("sku_x").map(orders)
    frame["orders_b"] = frame.index.get_level_values("sku_y").map(orders)
    return _keyed(frame, sku_x="sku_a", sku_y="sku_b")


def _cohorts(lines: Frame) -> Frame:
    orders = lines[(lines["kind"] == "order") & lines["customer"].notna()]
    cohort = orders.groupby("customer")["month"].min()
    orders = orders.assign(cohort=orders["customer"].map(cohort))
    since: Frame = (orders["month"].dt.year - orders["cohort"].dt.year) * 12 + (
        orders["month"].dt.month - orders["cohort"].dt.month
    )
    groups = orders.assign(since=since.astype("int64")).groupby(["cohort", "since"])
    frame: Frame = pd.DataFrame(
        {
            "cohort_size": cohort.value_counts().reindex(groups.size().index, level=0),
            "customers": groups["customer"].nunique(),
            "orders": groups["invoice"].nunique(),
            "revenue": groups["revenue"].sum(),
        }
    )
    return _keyed(frame, cohort="cohort_month", since="months_since_first")


def _customers(lines: Frame) -> Frame:
    known = lines[lines["customer"].notna()]
    known = known.assign(customer=known["customer"].astype("int64").astype(str))
    orders, returns = known[known["kind"] == "order"], known[known["kind"] == "return"]
    frame: Frame = pd.DataFrame(
        {
            "orders": orders.groupby("customer")["invoice"].nunique(),
            "returns": returns.groupby("customer")["invoice"].nunique(),
            "gross_revenue": orders.groupby("customer")["revenue"].sum(),
            "returned_revenue": returns.groupby("customer")["revenue"].sum(),
            "revenue": known.groupby("customer")["revenue"].sum(),
            "units": known.groupby("customer")["units"].sum(),
        }
    )
    return _keyed(frame, customer="customer_id")


def _residences(lines: Frame) -> Frame:
    # The book has a customer's country with each invoice, so the invoice's country is the valid one at its time.
    known = lines[lines["customer"].notna() & lines["kind"].isin(["order", "return"])]
    orders = known[known["kind"] == "order"]
    keys = ["month", "country"]
    frame: Frame = pd.DataFrame(
        {
            "customers": orders.groupby(keys)["customer"].nunique(),
            "orders": orders.groupby(keys)["invoice"].nunique(),
            "gross_revenue": orders.groupby(keys)["revenue"].sum(),
            "revenue": known.groupby(keys)["revenue"].sum(),
        }
    )
    return _keyed(frame, month="sale_month", country="country_of_residence")
