"""Helpers for the tests of mapped files: a mapping of orders, and what becomes of a file by it."""

from pathlib import Path
from typing import Any

import openpyxl

from headrace.streaming.sources.mapped.events import Mapper
from headrace.streaming.sources.mapped.ingest import open_mapped
from headrace.streaming.sources.mapped.map_files import decode, parse
from headrace.streaming.sources.mapped.mapping import Mapping
from headrace.streaming.sources.mapped.plan import compile_mapping, topic_of
from headrace.streaming.sources.outcomes import Accepted, Ignored, Rejected
from headrace.streaming.sources.pseudonyms import pseudonymizer
from tests.unit.sources.walking import Walk

COLUMNS = ["Order", "Date", "Customer", "Currency", "Item", "Qty", "Price"]
ORDERS = """
topic = "orders"
source = "shop"
rows.group_by = "Order"

[fields]
order_id = "Order"
event_time = { column = "Date" }
customer_id = { column = "Customer" }
currency = { column = "Currency" }
channel = { constant = "store" }
kind = { constant = "order" }
total = { generate = "sum" }

[lines]
sku = { column = "Item" }
quantity = { column = "Qty" }
unit_price = { column = "Price" }
"""
FEEDBACK = """
topic = "customer_feedback"
source = "form"

[fields]
feedback_id = { generate = "content" }
event_time = "Timestamp"
channel = { constant = "form" }
rating = "Stars"
text = "Words"
"""


def mapping_of(text: str, **keys: object) -> Mapping:
    """A mapping with keys of its own: `values__decimal=","` is `values.decimal`."""
    raw = parse(text, "test")
    for path, value in keys.items():
        *tables, key = path.split("__")
        table = raw
        for name in tables:
            table = table.setdefault(name, {})
        table[key] = value
    return decode(raw, "test")


def mapped(path: Path, text: str = ORDERS, **keys: object) -> Walk:
    """The outcomes of a file by the text of a mapping."""
    return outcomes_of(path, mapping_of(text, **keys))


def outcomes_of(path: Path, mapping: Mapping) -> Walk:
    """The outcomes of a file by a mapping."""
    plan = compile_mapping(mapping, topic_of(None, mapping))
    walk = Walk()
    for outcome in Mapper(plan, pseudonymizer(b"test")).outcomes(open_mapped(path, plan).records):
        match outcome:
            case Accepted():
                walk.accepted.append(outcome)
            case Rejected():
                walk.rejected.append(outcome)
            case Ignored():
                walk.ignored.append(outcome)
    assert len(walk.values) == len(walk.accepted)
    return walk


def orders_csv(*rows: str, header: str = ",".join(COLUMNS), newline: str = "\n") -> bytes:
    """A CSV file of orders."""
    return newline.join([header, *rows, ""]).encode()


def order_lines(walk: Walk) -> list[tuple[str, list[tuple[str, int, str]], str]]:
    """Id, lines and total of each order."""
    return [
        (order.order_id, [(line.sku, line.quantity, line.unit_price) for line in order.lines], order.total)
        for order in walk.events
    ]


def sheet(path: Path, *rows: list[Any], merged: tuple[str, ...] = (), title: str = "Orders") -> Path:
    """Save a workbook of one sheet."""
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.title = title
    for row in rows:
        page.append(row)
    for cells in merged:
        page.merge_cells(cells)
    book.save(path)
    return path
