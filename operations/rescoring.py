"""The daily rescoring of silent customers: their features from the warehouse, the champion, and the topic of scores."""

from contracts import clock
from contracts.settings import Settings
from warehouse.lake import Lake

SILENT_DAYS = 1.0
"""Whoever ordered later than that was scored by the stream; what it says of them is newer than the warehouse."""


def rescore(settings: Settings, lake: Lake) -> tuple[str, int]:
    """Score the silent customers as of the latest order, and publish; returns the model's version and how many.

    Raises:
        Transient: PostgreSQL or Kafka is away.
        Terminal: there are no orders.
    """
    from models.behavior.scorer import SCORER
    from streaming.rescoring import Customer, publish
    from warehouse.frames import silent_customers

    SCORER.follow(settings)
    scorer = SCORER.current()
    customers = [Customer(*each) for each in silent_customers(lake, SILENT_DAYS)]
    return scorer.version, publish(settings, customers, scorer, clock.now())
