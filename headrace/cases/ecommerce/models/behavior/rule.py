"""The rule over recency, frequency and gaps that scores until there is a champion, and what a score is."""

from collections.abc import Sequence
from math import exp
from typing import NamedTuple

from headrace.contracts.features import CustomerFeatures

HORIZON_DAYS = 30.0
PRIOR_ORDERS, PRIOR_DAYS = 0.5, 60.0
"""The prior for a customer without history: this many further orders in this many days."""
FADING_DAYS = 90.0
LAPSING_DAYS, LAPSING_GAPS = 60.0, 2.0
LOYAL_ORDERS, LOYAL_GAP_DAYS = 5, 45.0
DIGITS = 6


class Score(NamedTuple):
    """Probability of another order within 30 days of the cutoff, the segment's name, and the expected spend.

    The expected spend is the revenue of the 90 days after the cutoff, in the customer's currency; None if the model
    does not predict it.
    """

    probability: float
    segment: str
    expected_spend: float | None = None


class RfmRule:
    """Orders come as a Poisson process whose rate has a gamma prior, and fades with recency.

    rate a day = (PRIOR_ORDERS + orders - 1) / (PRIOR_DAYS + tenure) * exp(-recency / FADING_DAYS)
    probability = 1 - exp(-rate * HORIZON_DAYS)

    The rule is not fitted: it ranks customers and is not calibrated.
    """

    version = "rfm-rule"

    def score(self, features: Sequence[CustomerFeatures]) -> list[Score]:
        return [
            Score(rule_probability(each.orders, each.tenure_days, each.recency_days), segment_of(each))
            for each in features
        ]


def rule_probability(orders: int, tenure_days: float | None, recency_days: float | None) -> float:
    """The probability that `RfmRule` gives."""
    further = max(orders - 1, 0)
    rate = (PRIOR_ORDERS + further) / (PRIOR_DAYS + (tenure_days or 0.0))
    rate *= exp(-(recency_days or 0.0) / FADING_DAYS)
    return round(1.0 - exp(-rate * HORIZON_DAYS), DIGITS)


def segment_of(features: CustomerFeatures) -> str:
    """The customer's segment by the frequency and recency of their orders."""
    if not features.orders:
        return "no order"
    gap, recency = features.mean_gap_days, features.recency_days or 0.0
    if recency > max(LAPSING_DAYS, LAPSING_GAPS * (gap or 0.0)):
        return "lapsing"
    if gap is None:
        return "new"
    return "loyal" if features.orders >= LOYAL_ORDERS and gap <= LOYAL_GAP_DAYS else "returning"
