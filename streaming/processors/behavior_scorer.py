"""`orders` to `customer_behavior`: each customer's features (`contracts.features`) after every order, and their score.

State is by customer: what matters of each of their orders. An order is believed as in `core.orders`: the order database
over the log, and then the later arrival; an event that comes again changes nothing. So late, repeated, corrected and
returned orders all end in the features that the warehouse computes.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import ClassVar, cast

import msgspec

from contracts.ecommerce import CustomerBehavior, Order
from contracts.features import DAY_US, KINDS, MONEY_UNITS, CustomerFeatures
from models.behavior.scorer import Score, Scorer, current
from streaming.processors.processor import Output, Record, Result, State

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Known(msgspec.Struct, array_like=True):
    """What is known of an order: the version believed, and every event that told of it."""

    is_order: bool
    is_store: bool
    time_us: int
    lines: int
    units: int
    """Its amount, in `MONEY_UNITS`."""
    events: list[str]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Known]).decode


class BehaviorScorer:
    """Scores customers."""

    name: ClassVar[str] = "behavior-scorer"
    inputs: ClassVar[tuple[str, ...]] = ("orders",)
    output: ClassVar[str] = "customer_behavior"

    def __init__(self, scorer: Scorer | None = None) -> None:
        self._scorer = scorer

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:  # noqa: ARG002
        scorer = self._scorer or current()
        result = Result()
        customers: dict[str, dict[str, Known]] = {}
        told: list[tuple[Order, CustomerFeatures]] = []
        for record in records:
            order = cast("Order", record.event)
            if order.customer_id is None:
                result.drops["guest"] += 1
                continue
            if order.kind not in KINDS:
                result.drops["neither order nor return"] += 1
                continue
            known = customers.get(order.customer_id)
            if known is None:
                raw = state.get(order.customer_id.encode())
                known = customers[order.customer_id] = {} if raw is None else _decode(raw)
            drop = _learn(known, order)
            if drop is not None:
                result.drops[drop] += 1
                continue
            told.append((order, features_of(known.values())))
        for customer_id, known in customers.items():
            state.put(customer_id.encode(), _encode(known))
        result.used = len(told)
        scores = scorer.score([features for _, features in told])
        for (order, features), score in zip(told, scores, strict=True):
            event = self._event(order, features, score, scorer.version, now)
            result.outputs.append(Output(event.customer_id.encode(), event))
        return result

    def _event(
        self, order: Order, features: CustomerFeatures, score: Score, version: str, now: datetime
    ) -> CustomerBehavior:
        cutoff = _EPOCH + features.cutoff_us * _MICROSECOND
        return CustomerBehavior(
            event_id=f"behavior-{order.event_id}",
            event_time=cutoff,
            source=self.name,
            customer_id=cast("str", order.customer_id),
            feature_cutoff=cutoff,
            orders=features.orders,
            returns=features.returns,
            monetary=f"{Decimal(features.monetary_units) / MONEY_UNITS:.4f}",
            recency_days=features.recency_days,
            tenure_days=features.tenure_days,
            mean_gap_days=features.mean_gap_days,
            mean_basket_lines=features.mean_basket_lines,
            order_days=features.order_days,
            last_gap_days=features.last_gap_days,
            median_gap_days=features.median_gap_days,
            longest_gap_days=features.longest_gap_days,
            repurchase_probability=score.probability,
            segment=score.segment,
            model_version=version,
            scored_at=now,
        )


def features_of(documents: Iterable[Known]) -> CustomerFeatures:
    """The features over a customer's documents, of which there is at least one."""
    known = list(documents)
    orders = [each for each in known if each.is_order]
    cutoff = max(each.time_us for each in known)
    count = len(orders)
    first = min((each.time_us for each in orders), default=0)
    last = max((each.time_us for each in orders), default=0)
    days = sorted({each.time_us // DAY_US for each in orders})
    gaps = [later - earlier for earlier, later in pairwise(days)]
    return CustomerFeatures(
        cutoff_us=cutoff,
        orders=count,
        returns=len(known) - count,
        monetary_units=sum(each.units for each in known),
        recency_days=(cutoff - last) / DAY_US if count else None,
        tenure_days=(cutoff - first) / DAY_US if count else None,
        mean_gap_days=(last - first) / (DAY_US * (count - 1)) if count > 1 else None,
        mean_basket_lines=sum(each.lines for each in orders) / count if count else None,
        order_days=len(days),
        last_gap_days=gaps[-1] if gaps else None,
        median_gap_days=float(median(gaps)) if gaps else None,
        longest_gap_days=max(gaps, default=None),
    )


def _learn(known: dict[str, Known], order: Order) -> str | None:
    """Take an event into what is known, or say why it changes nothing."""
    before = known.get(order.order_id)
    if before is not None and order.event_id in before.events:
        return "repeated"
    is_store = order.channel == "store"
    if before is not None:
        before.events.append(order.event_id)
        if before.is_store and not is_store:
            return "the order database is believed"
    amount = sum((line.quantity * Decimal(line.unit_price) for line in order.lines), Decimal(0))
    known[order.order_id] = Known(
        is_order=order.kind == "order",
        is_store=is_store,
        time_us=(order.event_time - _EPOCH) // _MICROSECOND,
        lines=len(order.lines),
        units=int(amount * MONEY_UNITS),
        events=[order.event_id] if before is None else before.events,
    )
    return None
