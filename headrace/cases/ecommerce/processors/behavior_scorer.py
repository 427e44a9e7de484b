"""`orders` to `customer_behavior`: each customer's features (`headrace.contracts.features`) and score after every
order.

Conflicting orders are resolved as in `core.orders`: the order database takes precedence over the log, a signed purchase
over an unverified one, and then the later arrival; duplicate events change nothing. Unverified orders, those dated a
day or more after their arrival, and those without a currency are not included in features. So for late, duplicate,
corrected and returned orders, the features equal those of the warehouse.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar, cast

from headrace.cases.ecommerce.models.behavior.rule import Score
from headrace.cases.ecommerce.models.behavior.scorer import SCORER, Scorer
from headrace.cases.ecommerce.processors.customer_orders import CustomerOrders, CustomerTables, Document, Totals
from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.cases.ecommerce.topics.orders import Order
from headrace.contracts.features import CustomerFeatures, amount_of, spend_of
from headrace.contracts.types import derived_id
from headrace.streaming.runtime.processing.processor import Output, Record, Result, State
from headrace.streaming.runtime.processing.tables import Table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class BehaviorScorer:
    """Scores customers."""

    name: ClassVar[str] = "behavior-scorer"
    inputs: ClassVar[tuple[str, ...]] = ("orders",)
    output: ClassVar[str] = "customer_behavior"
    customers: ClassVar = Table("customers", Totals, "the totals over a customer's orders, by customer")
    orders: ClassVar = Table("orders", Document, "a resolved order, by customer and order")
    days: ClassVar = Table("days", list[int], "a customer's first order day and the gaps after it, by customer")
    events: ClassVar = Table("events", bytes, "marks a further event of an order, by its hash")
    state_version: ClassVar[int] = 3
    by_arrival: ClassVar[bool] = True
    model: ClassVar = SCORER

    def __init__(self, scorer: Scorer | None = None) -> None:
        self._scorer = scorer

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:  # noqa: ARG002
        scorer = self._scorer or SCORER.current()
        result = Result()
        tables = self.tables(state)
        customers: dict[str, CustomerOrders] = {}
        changed: list[tuple[Order, CustomerFeatures | None]] = []
        for record in records:
            order = cast("Order", record.event)
            if order.customer_id is None:
                result.drops["guest"] += 1
                continue
            customer = customers.get(order.customer_id)
            if customer is None:
                customer = customers[order.customer_id] = CustomerOrders(tables, order.customer_id)
            drop = customer.learn(order, record.arrived_ms)
            if drop is not None:
                result.drops[drop] += 1
                continue
            changed.append((order, customer.features()))
        for customer in customers.values():
            customer.save()
        result.used = len(changed)
        scores = iter(scorer.score([features for _, features in changed if features is not None]))
        for order, features in changed:
            key = cast("str", order.customer_id).encode()
            # A customer whose only order was corrected into another kind has no orders left.
            event = None if features is None else self._event(order, features, next(scores), scorer.version, now)
            result.outputs.append(Output(key, event))
        return result

    @classmethod
    def tables(cls, state: State) -> CustomerTables:
        """The tables in a partition's state."""
        return CustomerTables(cls.customers.of(state), cls.orders.of(state), cls.days.of(state), cls.events.of(state))

    def _event(
        self, order: Order, features: CustomerFeatures, score: Score, version: str, now: datetime
    ) -> CustomerBehavior:
        cutoff = _EPOCH + features.cutoff_us * _MICROSECOND
        return CustomerBehavior(
            event_id=derived_id("behavior", order.event_id),
            event_time=cutoff,
            source=self.name,
            customer_id=cast("str", order.customer_id),
            feature_cutoff=cutoff,
            orders=features.orders,
            returns=features.returns,
            currency=features.currency,
            monetary_value=amount_of(features.monetary_units),
            orders_in_other_currencies=features.orders_in_other_currencies,
            recency_days=features.recency_days,
            tenure_days=features.tenure_days,
            mean_gap_days=features.mean_gap_days,
            mean_basket_lines=features.mean_basket_lines,
            order_days=features.order_days,
            last_gap_days=features.last_gap_days,
            median_gap_days=features.median_gap_days,
            longest_gap_days=features.longest_gap_days,
            repurchase_probability=score.probability,
            expected_spend=spend_of(score.expected_spend),
            segment=score.segment,
            model_version=version,
            scored_at=now,
        )
