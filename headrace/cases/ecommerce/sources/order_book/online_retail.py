"""The online-retail source: an order book of invoice lines to `orders`, one order per invoice, and to `customers`.

The whole book is held in memory, since the lines of an invoice need not be adjacent. Only `read_lines` reads a file;
the rest is pure.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation, localcontext
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.cases.ecommerce.topics.customers import Customer
from headrace.cases.ecommerce.topics.orders import Order, OrderLine
from headrace.contracts.errors import Terminal
from headrace.contracts.missing import named
from headrace.contracts.types import MONEY_PATTERN, MONEY_SCALE, derived_id
from headrace.streaming.sources.dates import DateOrder, order_of, parse_time
from headrace.streaming.sources.files import PARQUET_MAGIC, ZIP_MAGIC, magic_of, read_pieces
from headrace.streaming.sources.outcomes import EMPTY_LINE, Accepted, Ignored, Outcome, Rejected
from headrace.streaming.sources.rows import read_rows

ORDERS, CUSTOMERS = "orders", "customers"
SOURCE = "online-retail"
CURRENCY = "GBP"
EXACT_DIGITS = 60
MAX_EXPONENT, MAX_DIGITS = 20, 60
TIME = "InvoiceDate"
COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", TIME, "UnitPrice", "CustomerID", "Country")
RENAMED = {"Invoice": "InvoiceNo", "Price": "UnitPrice", "Customer ID": "CustomerID"}
"""Column names of the set's second edition."""

_MONEY = re.compile(MONEY_PATTERN)
_NO_PRICE = "UnitPrice is not an amount of at most 4 decimals"
_WHOLE = re.compile(r"(-?[0-9]{1,18})(?:\.0+)?")


class RawLine(msgspec.Struct, frozen=True, gc=False):
    """One row of the file: its values by column, or what is wrong with it."""

    number: int
    values: dict[str, Any]
    raw: bytes
    error: str | None = None
    size: int | None = None
    date_order: DateOrder | None = None


class InvoiceLine(msgspec.Struct, frozen=True, gc=False):
    """One parsed row."""

    number: int
    invoice: str
    time: datetime
    customer: str | None
    country: str | None
    line: OrderLine


class Invoice(msgspec.Struct, frozen=True):
    """All lines of one invoice, in file order."""

    lines: list[InvoiceLine]

    @property
    def number(self) -> str:
        return self.lines[0].invoice

    @property
    def time(self) -> datetime:
        """The time of the first line; a few invoices have two."""
        return self.lines[0].time

    @property
    def customer(self) -> str | None:
        return next((line.customer for line in self.lines if line.customer), None)

    @property
    def country(self) -> str | None:
        return next((line.country for line in self.lines if line.country), None)

    @property
    def kind(self) -> Literal["order", "return", "adjustment"]:
        if self.number.isdecimal():
            return "order"
        return "return" if self.number.upper().startswith("C") else "adjustment"

    @property
    def total(self) -> Decimal:
        # The default context would round to 28 digits.
        with localcontext(prec=EXACT_DIGITS):
            return sum((item.line.quantity * Decimal(item.line.unit_price) for item in self.lines), Decimal(0))


class InvalidRow(Exception):  # noqa: N818  a verdict on the row, not a failure
    """The row is not an invoice line; the message has the reason."""


def read_lines(path: Path, date_order: DateOrder | None = None) -> Iterator[RawLine]:
    """The rows of a Parquet or CSV file. If no order of day and month is given, all dates are examined first.

    Raises:
        Terminal: another kind of file, other columns, or ambiguous dates.
    """
    magic = magic_of(path)
    if magic == ZIP_MAGIC:
        raise Terminal(f"{path} is an Excel workbook.", remedy="Save the sheet as CSV and ingest that.")
    read, times = (_parquet_lines, _parquet_times) if magic == PARQUET_MAGIC else (_csv_lines, _csv_times)
    return read(path, date_order or order_of(map(_text, times(path)), path.name))


def outcomes(rows: Iterable[RawLine]) -> Iterator[Outcome]:
    """One outcome per invoice, first or changed row of a customer, blank row, or row that is not an invoice line.

    Invalid rows come first; then everything else in order of time.
    """
    book: dict[str, list[InvoiceLine]] = {}
    for row in rows:
        try:
            line = understand(row)
        except InvalidRow as invalid:
            yield Rejected(ORDERS, str(invalid), row.raw, row.number, size=row.size)
            continue
        if line is None:
            yield Ignored(EMPTY_LINE)
        else:
            book.setdefault(line.invoice, []).append(line)
    known: dict[str, Customer] = {}
    for invoice in in_time_order(book):
        yield from _customer(invoice, known)
        yield _order(invoice)


def in_time_order(book: dict[str, list[InvoiceLine]]) -> list[Invoice]:
    """Invoices in order of time; those of the same time in the file's order."""
    return sorted(map(Invoice, book.values()), key=lambda invoice: invoice.time)


def understand(row: RawLine) -> InvoiceLine | None:
    """Read one row; None for a blank one.

    Raises:
        InvalidRow: it is not an invoice line.
    """
    if row.error is not None:
        raise InvalidRow(row.error)
    values = {name: _text(row.values.get(name)) for name in COLUMNS}
    if not any(values.values()):
        return None
    if missing := [name for name in ("InvoiceNo", "StockCode") if not values[name]]:
        raise InvalidRow(f"no {' and no '.join(missing)}")
    line = OrderLine(
        sku=values["StockCode"],
        description=values["Description"] or None,
        quantity=_quantity(values["Quantity"]),
        unit_price=_price(values["UnitPrice"]),
    )
    customer = named(values["CustomerID"])
    return InvoiceLine(
        number=row.number,
        invoice=_without_fraction(values["InvoiceNo"]),
        time=_time(values[TIME], row.date_order),
        customer=_without_fraction(customer) if customer else None,
        country=values["Country"] or None,
        line=line,
    )


def _order(invoice: Invoice) -> Outcome:
    event = Order(
        event_id=derived_id(SOURCE, invoice.number),
        event_time=invoice.time,
        source=SOURCE,
        order_id=invoice.number,
        channel="store",
        kind=invoice.kind,
        customer_id=invoice.customer,
        currency=CURRENCY,
        country=invoice.country,
        lines=[item.line for item in invoice.lines],
        total=f"{invoice.total:f}",
    )
    key = (invoice.customer or invoice.number).encode()
    return Accepted(ORDERS, key, event, msgspec.json.encode(invoice.lines), invoice.lines[0].number)


def _customer(invoice: Invoice, known: dict[str, Customer]) -> Iterator[Outcome]:
    """The customer's row when first seen, and again whenever the country changes."""
    if invoice.customer is None:
        return
    before = known.get(invoice.customer)
    if before is not None and (invoice.country is None or before.country == invoice.country):
        return
    state = f"{invoice.customer}-{invoice.time:%Y%m%dT%H%M%S}-{invoice.country or ''}"
    event = Customer(
        event_id=derived_id(SOURCE, f"customer-{state}"),
        event_time=invoice.time,
        source=SOURCE,
        customer_id=invoice.customer,
        country=invoice.country,
        registered_at=before.registered_at if before else invoice.time,
    )
    known[invoice.customer] = event
    raw = msgspec.json.encode(invoice.lines[0])
    yield Accepted(CUSTOMERS, invoice.customer.encode(), event, raw, invoice.lines[0].number)


def _parquet_lines(path: Path, date_order: DateOrder) -> Iterator[RawLine]:
    for number, row in enumerate(_parquet_rows(path), 1):
        values = {RENAMED.get(name, name): value for name, value in row.items()}
        yield RawLine(number, values, msgspec.json.encode(row), date_order=date_order)


def _parquet_times(path: Path) -> Iterator[object]:
    return (row[TIME] for row in _parquet_rows(path, [TIME]))


def _parquet_rows(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    try:
        table = pq.ParquetFile(path)
        _check_columns(table.schema_arrow.names)
        for batch in table.iter_batches(columns=columns):
            yield from cast("list[dict[str, Any]]", batch.to_pylist())
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeDecodeError, OSError) as error:
        raise Terminal(f"{path} is a damaged Parquet file: {error}.", remedy="Copy the file again.") from error


def _csv_times(path: Path) -> Iterator[object]:
    columns, rows = read_rows(read_pieces(path))
    _check_columns(columns)
    return (row.values.get(TIME) for row in rows)


def _csv_lines(path: Path, date_order: DateOrder) -> Iterator[RawLine]:
    columns, rows = read_rows(read_pieces(path))
    _check_columns(columns)
    for row in rows:
        values = {RENAMED.get(name, name): value for name, value in row.values.items()}
        yield RawLine(row.number, values, row.raw, row.error, row.size, date_order)


def _check_columns(names: list[str]) -> None:
    given = {RENAMED.get(name, name) for name in names}
    if missing := [name for name in COLUMNS if name not in given]:
        raise Terminal(
            f"The file has no column {', '.join(missing)}.",
            remedy=f"Give an order book with the columns {', '.join(COLUMNS)}.",
        )


def _text(value: object) -> str:
    """A value as text: missing and NaN are empty, a float is its shortest decimal form."""
    if isinstance(value, str):
        return value.strip()
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}"
    return str(value)


def _without_fraction(text: str) -> str:
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def _quantity(text: str) -> int:
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        raise InvalidRow("Quantity is not a whole number")
    return int(whole[1])


def _price(text: str) -> str:
    """The price as a decimal string, exactly as written; a float such as 2.0 is `2`.

    Extra zeros beyond the decimals of money are removed: databases write `2.550000`.
    """
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise InvalidRow("UnitPrice is not a number") from None
    if not price.is_finite() or abs(price.adjusted()) > MAX_EXPONENT or len(text) > MAX_DIGITS:
        raise InvalidRow(_NO_PRICE)
    whole, point, decimals = f"{price:f}".partition(".")
    if len(decimals) > MONEY_SCALE:
        decimals = decimals.rstrip("0")
    plain = f"{whole}{point}{decimals}" if decimals else whole
    if not _MONEY.fullmatch(plain):
        raise InvalidRow(_NO_PRICE)
    return plain


def _time(text: str, order: DateOrder | None) -> datetime:
    try:
        return parse_time(text, order)
    except ValueError:
        raise InvalidRow("InvoiceDate is no time") from None
