"""What an instance's process runs. It imports only what a processor needs: instances are forked from a server that has
imported all of it, because a test starts dozens of them.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from headrace.cases.data_science.models.sentiment.text import read
from headrace.cases.data_science.models.sentiment.vader import Vader
from headrace.cases.data_science.processors.sentiment_scorer import SentimentScorer
from headrace.cases.ecommerce.models.behavior.rule import RfmRule
from headrace.cases.ecommerce.processors.behavior_scorer import BehaviorScorer
from headrace.cases.ecommerce.processors.order_extractor import OrderExtractor
from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.cases.ecommerce.topics.orders import Order
from headrace.contracts.errors import HeadraceError
from headrace.contracts.settings import Settings
from headrace.streaming.runtime import failpoints, logs
from headrace.streaming.runtime.processing.processor import Output, Processor, Record, Result, State
from headrace.streaming.runtime.processing.worker import Worker

FIXED = datetime(2026, 3, 1, tzinfo=UTC)
POISON = "poison"
BATCH_RECORDS = 40
"""Small, so that kills hit many different transactions."""


class Numbering:
    """Numbers the orders of each customer: a lost, repeated or reordered record shows in every later number."""

    name: ClassVar[str] = "numbering"
    inputs: ClassVar[tuple[str, ...]] = ("orders",)
    output: ClassVar[str] = "customer_behavior"
    state_version: ClassVar[int] = 1

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:
        result = Result()
        for record in records:
            order = record.event
            assert isinstance(order, Order)
            if order.customer_id is None:
                result.drops["guest"] += 1
                continue
            if order.customer_id == POISON:
                raise RuntimeError("a processor's own mistake")
            key = order.customer_id.encode()
            number = int(state.get(key) or 0) + 1
            state.put(key, b"%d" % number)
            result.outputs.append(Output(key, _numbered(order.customer_id, order.event_id, number)))
            result.used += 1
        return result


def _numbered(customer_id: str, event_id: str, number: int) -> CustomerBehavior:
    return CustomerBehavior(
        event_id=event_id,
        event_time=FIXED,
        source="numbering",
        customer_id=customer_id,
        feature_cutoff=FIXED,
        orders=number,
        returns=0,
        monetary_value="0",
        repurchase_probability=0.5,
        segment="test",
        model_version="test",
        scored_at=FIXED,
    )


PINNED: dict[str, Callable[[], Processor]] = {
    Numbering.name: Numbering,
    OrderExtractor.name: OrderExtractor,
    BehaviorScorer.name: lambda: BehaviorScorer(RfmRule()),
    SentimentScorer.name: lambda: SentimentScorer(Vader()),
}
"""The processors under test, by name, their models pinned."""

read("Loads the language model once, in the server that the instances are forked from.", None)


def run(settings: Settings, name: str, index: int, points: str, log: str) -> None:
    """Be an instance until SIGTERM comes."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    failpoints.arm(points)
    logs.configure("info")
    try:
        worker = Worker(settings, PINNED[name](), index=index, batch_records=BATCH_RECORDS)
        signal.signal(signal.SIGTERM, lambda *_: worker.stop())
        worker.run()
    except HeadraceError as error:
        sys.exit(str(error))
