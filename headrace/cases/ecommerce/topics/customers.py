"""Customers of the shop."""

from typing import Annotated

from headrace.contracts.topic import event_topic
from headrace.contracts.types import CustomerId, Event, Reference, UtcTime, about


class Customer(Event, kw_only=True, frozen=True):
    """A customer row as of `event_time`. The topic is compacted: the latest row per customer is kept."""

    customer_id: Annotated[CustomerId, about("The shop's customer id.")]
    country: Annotated[Reference | None, about("Country of residence.")] = None
    registered_at: Annotated[UtcTime | None, about("When the account was opened, or the first order was placed.")] = (
        None
    )
    deleted: Annotated[bool, about("Whether the account is closed; a tombstone follows.")] = False


CUSTOMERS = event_topic("customers", Customer, key="customer_id", partitions=4, days=30, compacted=True)
