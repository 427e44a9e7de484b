"""Scores of the behavior model."""

from typing import Annotated

from headrace.contracts.topic import event_topic
from headrace.contracts.types import Count, Event, Identifier, MoneySum, Probability, Reference, UtcTime, about


class CustomerBehavior(Event, kw_only=True, frozen=True):
    """The behavior model's scores for one customer, with the features used. Compacted by customer."""

    customer_id: Annotated[Identifier, about("The shop's customer id.")]
    feature_cutoff: Annotated[UtcTime, about("Features use only events before this time.")]
    orders: Annotated[Count, about("Orders placed, excluding returns.")]
    returns: Annotated[Count, about("Returns made.")]
    monetary_value: Annotated[MoneySum, about("Revenue so far in `currency`, net of returns.")]
    currency: Annotated[Reference | None, about("ISO 4217 code of most orders and returns, and of the amounts.")] = None
    orders_in_other_currencies: Annotated[
        Count | None, about("Orders and returns in other currencies, not included in the amounts.")
    ] = None
    recency_days: Annotated[float | None, about("Days from the last order to the cutoff.")] = None
    tenure_days: Annotated[float | None, about("Days from the first order to the cutoff.")] = None
    mean_gap_days: Annotated[float | None, about("Mean days between orders; empty before the second order.")] = None
    mean_basket_lines: Annotated[float | None, about("Mean number of lines per order.")] = None
    order_days: Annotated[Count | None, about("Days (UTC) with an order.")] = None
    last_gap_days: Annotated[Count | None, about("Whole days between the last two order days.")] = None
    median_gap_days: Annotated[float | None, about("Median of the whole days between consecutive order days.")] = None
    longest_gap_days: Annotated[Count | None, about("Longest gap between consecutive order days, in whole days.")] = (
        None
    )
    repurchase_probability: Annotated[Probability, about("Probability of another order within 30 days.")]
    expected_spend: Annotated[
        MoneySum | None, about("Expected revenue in the 90 days after the cutoff, net of returns; trained models only.")
    ] = None
    segment: Annotated[Identifier, about("Named segment.")]
    model_version: Annotated[Identifier, about("Version of the model, or `rfm-rule`.")]
    scored_at: Annotated[UtcTime, about("When the customer was scored.")]


CUSTOMER_BEHAVIOR = event_topic(
    "customer_behavior", CustomerBehavior, key="customer_id", partitions=4, days=30, compacted=True
)
