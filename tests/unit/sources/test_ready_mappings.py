"""The mappings that come with Headrace, on files with the columns that the shops and forms document."""

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.contracts.errors import Terminal
from headrace.contracts.topics import TOPICS
from headrace.streaming.sources.mapped.map_files import (
    answered,
    decode,
    load,
    open_questions,
    parse,
    ready_names,
    ready_text,
)
from headrace.streaming.sources.mapped.plan import compile_mapping
from tests.unit.sources.mapped_orders import order_lines, outcomes_of
from tests.unit.sources.walking import Walk

SHOPIFY = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,Shipping,"
    "Taxes,Total,Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,Lineitem price,"
    "Lineitem compare at price,Lineitem sku,Lineitem requires shipping,Lineitem taxable,Lineitem fulfillment status,"
    "Billing Name,Billing Street,Billing City,Billing Zip,Billing Country,Shipping Country,Cancelled at,Id"
)
WOOCOMMERCE = (
    "order_id,order_number,order_number_formatted,order_date,status,shipping_total,order_total,"
    "order_currency,payment_method,customer_id,billing_email,billing_country,shipping_country,item_id,item_product_id,"
    "item_name,item_sku,item_quantity,item_subtotal,item_total,item_total_tax,item_refunded"
)
MAGENTO = (
    "ID,Purchase Point,Purchase Date,Bill-to Name,Ship-to Name,Grand Total (Base),Grand Total (Purchased),Status,"
    "Billing Address,Customer Email,Customer Group,Subtotal,Shipping and Handling,Customer Name,Payment Method"
)
GOOGLE_FORMS = "Timestamp,Email Address,How many stars?,What shall we know?"
TYPEFORM = (
    "#,What shall we know?,How many stars?,Response Type,Start Date (UTC),Stage Date (UTC),Submit Date (UTC),Network ID"
)


def export(tmp_path: Path, header: str, *rows: Mapping[str, object]) -> Path:
    names = next(csv.reader([header]))
    text = io.StringIO()
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    path = tmp_path / "export.csv"
    path.write_text(text.getvalue())
    return path


def read(path: Path, name: str, *answers: str) -> Walk:
    return outcomes_of(path, load(name, list(answers)))


def test_a_shopify_export_has_its_orders_with_all_lines(tmp_path: Path) -> None:
    path = export(
        tmp_path,
        SHOPIFY,
        {"Name": "#1001", "Email": "Ann@x.com", "Financial Status": "paid", "Currency": "EUR", "Total": "14.90",
         "Created at": "2026-03-01 10:50:26 +0200", "Lineitem quantity": 2, "Lineitem name": "Mug - Red",
         "Lineitem price": "4.50", "Lineitem sku": "MUG-R", "Billing Country": "DE", "Id": 7410991464714},
        {"Name": "#1001", "Email": "ann@x.com", "Lineitem quantity": 1, "Lineitem name": "Card", "Lineitem price": "1"},
        {"Name": "#1002", "Email": "bob@x.com", "Financial Status": "paid", "Currency": "EUR",
         "Created at": "2026-03-02 09:00:00 +0200", "Lineitem quantity": 1, "Lineitem name": "Mug - Red",
         "Lineitem price": "4.50", "Lineitem sku": "MUG-R", "Cancelled at": "2026-03-03 09:00:00 +0200"},
        {"Name": "#1002", "Email": "bob@x.com", "Lineitem quantity": 1, "Lineitem name": "Card", "Lineitem price": "1"},
    )  # fmt: skip
    found = read(path, "shopify")
    assert found.counts == (1, 0, 1)
    assert order_lines(found) == [("#1001", [("MUG-R", 2, "4.50"), ("Card", 1, "1")], "10.00")]
    order = found.events[0]
    assert (order.event_time, order.country, order.source) == (
        datetime(2026, 3, 1, 8, 50, 26, tzinfo=UTC),
        "DE",
        "shopify",
    )
    assert "@" not in order.customer_id


def test_a_woocommerce_export_asks_for_the_time_zone_of_the_shop(tmp_path: Path) -> None:
    line = {"order_number": 12, "order_date": "2026-03-01 10:00:00", "status": "completed", "order_currency": "USD",
            "billing_email": "ann@x.com", "billing_country": "US"}  # fmt: skip
    path = export(
        tmp_path,
        WOOCOMMERCE,
        line | {"item_name": "Mug", "item_sku": "M", "item_quantity": 2, "item_total": "9.00"},
        line | {"item_name": "Card", "item_quantity": 3, "item_total": "1.00"},
        line | {"order_number": 13, "status": "failed", "item_name": "Mug", "item_quantity": 1, "item_total": "4.50"},
    )
    with pytest.raises(Terminal, match=r"fields\.event_time\.timezone"):
        read(path, "woocommerce")
    found = read(path, "woocommerce", "fields.event_time.timezone=America/New_York")
    assert found.counts == (1, 0, 1)
    assert order_lines(found) == [("12", [("M", 2, "4.5"), ("Card", 3, "0.3333")], "9.9999")]
    assert found.events[0].event_time == datetime(2026, 3, 1, 15, tzinfo=UTC)


def test_a_magento_export_asks_for_currency_and_dates_and_has_one_line_an_order(tmp_path: Path) -> None:
    row = {"ID": "000000299", "Purchase Date": "Mar 1, 2026 3:45:12 PM", "Grand Total (Purchased)": "$1,219.40",
           "Status": "Complete", "Customer Email": "ann@x.com"}  # fmt: skip
    path = export(tmp_path, MAGENTO, row, row | {"ID": "000000300", "Status": "Canceled"})
    with pytest.raises(Terminal, match=r"fields\.event_time\.format.*fields\.currency\.constant"):
        read(path, "magento")
    answers = ("fields.event_time.format=%b %d, %Y %I:%M:%S %p", "fields.event_time.timezone=UTC")
    found = read(path, "magento", *answers, "fields.currency.constant=USD")
    assert found.counts == (1, 0, 1)
    assert order_lines(found) == [("000000299", [("magento-order", 1, "1219.40")], "1219.40")]


def test_answers_of_a_google_form_are_feedback(tmp_path: Path) -> None:
    path = export(
        tmp_path,
        GOOGLE_FORMS,
        {"Timestamp": "2026/03/01 3:45:12 PM GMT+1", "Email Address": "ann@x.com", "How many stars?": 5,
         "What shall we know?": "ask bob@x.com"},
    )  # fmt: skip
    answers = (
        "fields.event_time.timezone=UTC",
        "fields.text.column=What shall we know?",
        "fields.rating=How many stars?",
    )
    (feedback,) = read(path, "google-forms", *answers).events
    assert (feedback.event_time, feedback.rating) == (datetime(2026, 3, 1, 14, 45, 12, tzinfo=UTC), 5)
    assert feedback.text.startswith("ask ")
    assert "@" not in feedback.text + feedback.customer_id


def test_submitted_answers_of_a_typeform_are_feedback(tmp_path: Path) -> None:
    row = {"#": "odwdp4nzj1xg6m9l36", "What shall we know?": "good", "Submit Date (UTC)": "2026-03-01 02:41:38"}
    path = export(tmp_path, TYPEFORM, row, row | {"#": "other", "Submit Date (UTC)": ""})
    found = read(path, "typeform", "fields.text.column=What shall we know?")
    assert found.counts == (1, 0, 1)
    assert found.events[0].feedback_id == "odwdp4nzj1xg6m9l36"


@pytest.mark.parametrize("name", ready_names())
def test_every_mapping_that_comes_with_headrace_fits_its_topic(name: str) -> None:
    raw = parse(ready_text(name), name)
    right = {"timezone": "UTC", "constant": "EUR", "format": "iso", "column": "Words"}
    asked = [f"{key}={right[key.rpartition('.')[2]]}" for key in open_questions(raw)]
    mapping = decode(answered(raw, asked), name)
    assert not [*open_questions(answered(raw, []))]
    assert compile_mapping(mapping, TOPICS[mapping.topic or ""]).columns
