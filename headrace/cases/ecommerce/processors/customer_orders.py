"""The behavior scorer's state of a customer: each order after conflicts are resolved, and the totals over all orders.

The cost of an order does not depend on the number of the customer's orders: only its document and the totals are read
and written. Only if a correction moves the first or last order are all documents scanned, once per batch.
"""

import re
from bisect import bisect_left, insort
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from headrace.cases.ecommerce.processors.order_days import OrderDays
from headrace.cases.ecommerce.topics.orders import Order
from headrace.contracts.features import CURRENCY, DAY_US, KINDS, MONEY_UNITS, CustomerFeatures
from headrace.contracts.types import INT64_MAX, INT64_MIN
from headrace.streaming.runtime.processing.tables import Entries

_END = b"\0"
_HASH_BYTES = 16
_is_currency = re.compile(CURRENCY).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


UNVERIFIED, AHEAD, NO_CURRENCY = "unverified", "from the future", "no such currency"
MOST_AHEAD = timedelta(days=1)
"""The rule `not from the future` of `core.orders`."""

Amount = int | str
"""An integer, as text if it exceeds the 64 bits of MessagePack's integers."""


def _packed(amount: int) -> Amount:
    return amount if INT64_MIN <= amount <= INT64_MAX else str(amount)


class Totals(msgspec.Struct, array_like=True):
    """Totals over the customer's orders and returns. Times cover orders only, except `cutoff_us`.

    `amounts` has the number of documents per currency, and their sum in `MONEY_UNITS`.
    """

    orders: int = 0
    returns: int = 0
    amounts: dict[str, tuple[int, Amount]] = {}
    lines: int = 0
    first_us: int = 0
    last_us: int = 0
    cutoff_us: int = 0


class Document(msgspec.Struct, array_like=True):
    """A resolved order. `first_event` is the hash of the event that first reported it."""

    kind: str
    is_store: bool
    time_us: int
    lines: int
    currency: str
    units: Amount
    first_event: bytes

    @property
    def counts(self) -> bool:
        """Whether the features include it."""
        return self.kind in KINDS


class CustomerTables(NamedTuple):
    """The tables of customers in one partition, which `BehaviorScorer` declares."""

    customers: Entries[Totals]
    orders: Entries[Document]
    days: Entries[list[int]]
    events: Entries[bytes]


class CustomerOrders:
    """One customer's orders during a batch. Call `save` at its end."""

    def __init__(self, tables: CustomerTables, customer_id: str) -> None:
        self._tables = tables
        self._customer = customer_id.encode()
        self._totals = tables.customers.get(self._customer) or Totals()
        self._times: _Times | None = None

    def learn(self, order: Order, arrived_ms: int | None = None) -> str | None:
        """Apply an event; returns a reason if it does not change the features."""
        kind, time_us = _kind(order, arrived_ms), (order.event_time - _EPOCH) // _MICROSECOND
        key = self._customer + _END + order.order_id.encode()
        orders, events = self._tables.orders, self._tables.events
        before = orders.get(key)
        event = blake2b(b"o" + key + _END + order.event_id.encode(), digest_size=_HASH_BYTES).digest()
        if before is not None:
            if before.first_event == event or event in events:
                return "repeated"
            events.put(event, b"")
            if before.is_store and order.channel != "store":
                return "the order database takes precedence"
            if kind == UNVERIFIED and before.kind != UNVERIFIED:
                return "a verified order takes precedence"
        after = Document(
            kind=kind,
            is_store=order.channel == "store",
            time_us=time_us,
            lines=len(order.lines),
            currency=order.currency,
            units=_packed(_revenue(order)),
            first_event=event if before is None else before.first_event,
        )
        orders.put(key, after)
        if not after.counts and (before is None or not before.counts):
            return kind if kind in (UNVERIFIED, AHEAD, NO_CURRENCY) else "neither order nor return"
        self._replace(before, after)
        return None

    def features(self) -> CustomerFeatures | None:
        """The current features; None without an order or return."""
        totals = self._totals
        count = totals.orders
        if not count and not totals.returns:
            return None
        currency, (documents, units) = min(totals.amounts.items(), key=lambda each: (-each[1][0], each[0]))
        # Float division, as in SQL: integers beyond 2**53 would give another result.
        tenure, recency = float(totals.cutoff_us - totals.first_us), float(totals.cutoff_us - totals.last_us)
        span = float(totals.last_us - totals.first_us)
        return CustomerFeatures(
            cutoff_us=totals.cutoff_us,
            orders=count,
            returns=totals.returns,
            currency=currency,
            monetary_units=int(units),
            orders_in_other_currencies=count + totals.returns - documents,
            recency_days=recency / DAY_US if count else None,
            tenure_days=tenure / DAY_US if count else None,
            mean_gap_days=span / float(DAY_US * (count - 1)) if count > 1 else None,
            mean_basket_lines=float(totals.lines) / count if count else None,
            order_days=len(self._days),
            last_gap_days=self._days.last_gap,
            median_gap_days=self._days.median_gap,
            longest_gap_days=self._days.longest_gap,
        )

    def save(self) -> None:
        """Write the totals and the days."""
        self._tables.customers.put(self._customer, self._totals)
        if "_days" in vars(self) and self._days.is_changed:
            self._tables.days.put(self._customer, self._days.stored())

    @cached_property
    def _days(self) -> OrderDays:
        return OrderDays(self._tables.days.get(self._customer))

    def _replace(self, before: Document | None, after: Document) -> None:
        if before is not None and before.counts:
            self._count(before, -1)
        if after.counts:
            self._count(after, 1)
        self._time(before, after)

    def _count(self, document: Document, sign: int) -> None:
        totals = self._totals
        documents, units = totals.amounts.get(document.currency, (0, 0))
        totals.amounts[document.currency] = documents + sign, _packed(int(units) + sign * int(document.units))
        if documents + sign == 0:
            del totals.amounts[document.currency]
        if document.kind == "order":
            totals.orders += sign
            totals.lines += sign * document.lines
        else:
            totals.returns += sign

    def _time(self, before: Document | None, after: Document) -> None:
        totals, time = self._totals, after.time_us
        if before is not None and before.counts:
            if (before.kind, before.time_us) == (after.kind, time):
                return
            # It may have been the first or last order: finding the new one requires all orders.
            if self._times is None:
                self._times = _Times(document for _, document in self._tables.orders.scan(self._customer + _END))
            else:
                self._times.replace(before, after)
            self._times.update(totals)
            if before.kind == "order" and not self._times.has_order_on(before.time_us // DAY_US):
                self._days.remove(before.time_us // DAY_US)
            if after.kind == "order":
                self._days.add(time // DAY_US)
            return
        if self._times is not None:
            self._times.add(after)
        is_only = totals.orders + totals.returns == 1
        totals.cutoff_us = time if is_only else max(totals.cutoff_us, time)
        if after.kind == "order":
            totals.first_us = time if totals.orders == 1 else min(totals.first_us, time)
            totals.last_us = time if totals.orders == 1 else max(totals.last_us, time)
            self._days.add(time // DAY_US)


def _revenue(order: Order) -> int:
    """An order's revenue, as in `core.orders`: the signed total of a signed purchase (docs/decisions/0027)."""
    if order.verified:
        return int(Decimal(order.total) * MONEY_UNITS)
    return sum(line.quantity * int(Decimal(line.unit_price) * MONEY_UNITS) for line in order.lines)


def _kind(order: Order, arrived_ms: int | None) -> str:
    """The kind of an order as in `core.orders`, including the kinds that features exclude."""
    if not _is_currency(order.currency):
        return NO_CURRENCY
    if order.quality_flag == "unverified":
        return UNVERIFIED
    if arrived_ms is not None and order.event_time > _EPOCH + timedelta(milliseconds=arrived_ms) + MOST_AHEAD:
        return AHEAD
    return order.kind


class _Times:
    """The times of a customer's orders and returns, as of the creation of this object."""

    def __init__(self, of: Iterable[Document]) -> None:
        documents = list(of)
        self._all = sorted(each.time_us for each in documents if each.counts)
        self._orders = sorted(each.time_us for each in documents if each.kind == "order")

    def replace(self, before: Document, after: Document) -> None:
        del self._all[bisect_left(self._all, before.time_us)]
        if before.kind == "order":
            del self._orders[bisect_left(self._orders, before.time_us)]
        self.add(after)

    def add(self, document: Document) -> None:
        if document.counts:
            insort(self._all, document.time_us)
        if document.kind == "order":
            insort(self._orders, document.time_us)

    def has_order_on(self, day: int) -> bool:
        place = bisect_left(self._orders, day * DAY_US)
        return place < len(self._orders) and self._orders[place] < (day + 1) * DAY_US

    def update(self, totals: Totals) -> None:
        totals.cutoff_us = self._all[-1] if self._all else 0
        totals.first_us, totals.last_us = (self._orders[0], self._orders[-1]) if self._orders else (0, 0)
