"""The daily rescoring of inactive customers: scores warehouse features with the champion and publishes the scores."""

from importlib import import_module

from headrace.contracts import clock
from headrace.contracts.settings import Settings
from headrace.warehouse.lake import Lake

SILENT_DAYS = 1.0
"""Customers who ordered after this have a score from the stream, which is newer than the warehouse."""


def rescore(settings: Settings, lake: Lake) -> tuple[str, int]:
    """Score the inactive customers as of the latest order and publish; returns the model's version and the count.

    Raises:
        Transient: PostgreSQL or Kafka is unavailable.
        Terminal: there are no orders.
    """
    from headrace.warehouse.frames import silent_customers

    model = import_module("headrace.cases.ecommerce.models.behavior.scorer").SCORER
    model.follow(settings)
    scorer = model.current()
    case = import_module("headrace.cases.ecommerce.models.behavior.rescoring")
    customers = [case.Customer(*each) for each in silent_customers(lake, SILENT_DAYS)]
    return scorer.version, case.publish(settings, customers, scorer, clock.now())
