"""The behaviour scorer in force: a rule over recency, frequency and gaps, until there is a trained champion."""

from collections.abc import Sequence
from functools import cache
from math import exp
from typing import NamedTuple, Protocol

from contracts.features import CustomerFeatures

HORIZON_DAYS = 30.0
PRIOR_ORDERS, PRIOR_DAYS = 0.5, 60.0
"""What the rule assumes of a customer of whom it knows nothing yet: so many further orders in so many days."""
FADING_DAYS = 90.0
LAPSING_DAYS, LAPSING_GAPS = 60.0, 2.0
LOYAL_ORDERS, LOYAL_GAP_DAYS = 5, 45.0
_DIGITS = 6


class Score(NamedTuple):
    """Probability of another order within 30 days of the cutoff, and the segment's name."""

    probability: float
    segment: str


class Scorer(Protocol):
    """Scores features. `version` goes into every score."""

    version: str

    def score(self, features: Sequence[CustomerFeatures]) -> list[Score]: ...


class RfmRule:
    """Orders come as a Poisson process whose rate has a gamma prior, and fades with recency.

    rate a day = (PRIOR_ORDERS + orders - 1) / (PRIOR_DAYS + tenure) * exp(-recency / FADING_DAYS)
    probability = 1 - exp(-rate * HORIZON_DAYS)

    Nothing was fitted, so it ranks customers and is not calibrated.
    """

    version = "rfm-rule"

    def score(self, features: Sequence[CustomerFeatures]) -> list[Score]:
        return [Score(_probability(each), _segment(each)) for each in features]


def _probability(features: CustomerFeatures) -> float:
    further = max(features.orders - 1, 0)
    rate = (PRIOR_ORDERS + further) / (PRIOR_DAYS + (features.tenure_days or 0.0))
    rate *= exp(-(features.recency_days or 0.0) / FADING_DAYS)
    return round(1.0 - exp(-rate * HORIZON_DAYS), _DIGITS)


def _segment(features: CustomerFeatures) -> str:
    if not features.orders:
        return "no order"
    gap, recency = features.mean_gap_days, features.recency_days or 0.0
    if recency > max(LAPSING_DAYS, LAPSING_GAPS * (gap or 0.0)):
        return "lapsing"
    if gap is None:
        return "new"
    return "loyal" if features.orders >= LOYAL_ORDERS and gap <= LOYAL_GAP_DAYS else "returning"


@cache
def current() -> Scorer:
    """The scorer to use now."""
    return RfmRule()
