"""Models of the behavior of synthetic customers, as good or bad as a test needs."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from headrace.contracts.settings import Settings
from headrace.models import frames, training
from headrace.models.frames import Frame
from headrace.models.registry.store import Registry, Version

CUSTOMERS = 400
CUTOFFS = 4
START = datetime(2026, 1, 1, tzinfo=UTC)
LABEL = timedelta(days=30)


def frame(settings: Settings, *, honest: float, later: int = 0) -> Frame:
    """A frame in which this share of the outcomes to learn from is true, and the others are random.

    Whether customers order again depends on the size of their baskets, which the initial rule does not use. `later`
    moves the frame on by so many months.
    """
    random = np.random.default_rng(7)
    parts: list[pl.DataFrame] = []
    for number in range(CUTOFFS):
        lines = random.uniform(1, 30, CUSTOMERS)
        outcome = random.random(CUSTOMERS) < 1 / (1 + np.exp(-(lines - 15) / 3))
        if number < CUTOFFS - 1:
            outcome = np.where(random.random(CUSTOMERS) < honest, outcome, random.random(CUSTOMERS) < 0.5)
        parts.append(_customers(random, START + (number + later) * LABEL, lines, outcome))
    as_of = START + (CUTOFFS + later) * LABEL
    return frames.save(settings.frames_root, "behavior", pl.concat(parts), as_of=as_of, snapshot=1)


def _customers(
    random: np.random.Generator, cutoff: datetime, lines: np.ndarray[tuple[int], np.dtype[np.float64]], outcome: object
) -> pl.DataFrame:
    orders = random.integers(2, 12, CUSTOMERS)
    recency = random.exponential(20, CUSTOMERS)
    gap = random.uniform(5, 40, CUSTOMERS)
    return pl.DataFrame(
        {
            "customer_id": [f"C{number}" for number in range(CUSTOMERS)],
            "cutoff": pl.Series([cutoff] * CUSTOMERS, dtype=pl.Datetime("us", "UTC")),
            "orders": orders,
            "returns": random.integers(0, 3, CUSTOMERS),
            "currency": ["GBP"] * CUSTOMERS,
            "monetary_value": random.uniform(10, 1_000, CUSTOMERS),
            "orders_in_other_currencies": [0] * CUSTOMERS,
            "recency_days": recency,
            "tenure_days": recency + gap * (orders - 1),
            "mean_gap_days": gap,
            "mean_basket_lines": lines,
            "order_days": orders,
            "last_gap_days": gap.astype(np.int64),
            "median_gap_days": gap,
            "longest_gap_days": (gap * 1.5).astype(np.int64),
            "ordered": outcome,
            "spend": random.uniform(10, 1_000, CUSTOMERS),
        }
    )


def registered(registry: Registry, honest: float, *, later: int = 0) -> tuple[Version, Frame]:
    """A version trained on such a frame."""
    kept = frame(registry.settings, honest=honest, later=later)
    return registry.register(training.train(kept)), kept
