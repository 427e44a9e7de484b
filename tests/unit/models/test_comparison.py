"""The rule of promotion: better by more than chance, on a window that neither model was trained on."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from headrace.models.artifact import Card, FrameRecord, Report, Span
from headrace.models.comparison import MAX_LAG, compare, objection
from headrace.models.training import Outcomes

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def card(**changes: Any) -> Card:
    """A model trained on 60 days and evaluated on the next 30."""
    made = Card(
        name="behavior",
        columns=("orders",),
        cutoff="",
        classes=("no order", "order"),
        parameters={},
        seed=1,
        training=Span(START - 60 * DAY, START, 100),
        evaluation=Span(START, START + 30 * DAY, 100),
        serving=Span(START - 60 * DAY, START + 30 * DAY, 100),
        frame=FrameRecord("f", "0", 100, START + 30 * DAY),
        code="",
        libraries={},
        report=Report({}, {}, 100, 0.5, []),
        predictions_sha256="",
    )
    return replace(made, **changes)


def outcomes(rows: int = 600, noise: float = 0.5, seed: int = 1) -> Outcomes:
    """Outcomes drawn from known probabilities, and a model that knows them but for `noise`, in logits."""
    random = np.random.default_rng(seed)
    logit = random.normal(0, 1.5, rows)
    labels = (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    return Outcomes(("no order", "order"), labels, predicted(logit, noise, seed), np.arange(rows).astype(np.str_))


def predicted(logit: NDArray[np.float64], noise: float, seed: int) -> NDArray[np.float64]:
    blurred = logit + np.random.default_rng(seed + 1).normal(0, noise, len(logit))
    probability = 1 / (1 + np.exp(-blurred))
    return np.column_stack([1 - probability, probability])


def test_a_better_challenger_is_promoted_and_the_reverse_comparison_rejected() -> None:
    good, bad = outcomes(noise=0.2), outcomes(noise=2.5)
    verdict = compare(card(), good, bad.probabilities, "behavior-1")
    assert verdict.promoted
    assert verdict.differences["brier"].low > 0
    assert verdict.reason.startswith("better than behavior-1 by more than chance: brier better by +")
    assert not compare(card(), bad, good.probabilities, "behavior-1").promoted


def test_a_model_is_not_better_than_itself() -> None:
    same = outcomes()
    verdict = compare(card(), same, same.probabilities, "behavior-1")
    assert not verdict.promoted
    assert verdict.reason.startswith("not better than behavior-1 by more than chance: brier better by +0.0000")


def test_a_difference_that_chance_could_make_is_rejected() -> None:
    one = outcomes(rows=250, noise=0.6)
    mirrored = np.clip(one.probabilities + np.random.default_rng(5).normal(0, 0.05, (250, 1)) * [1, -1], 0, 1)
    verdict = compare(card(), one, mirrored, "behavior-1")
    assert verdict.differences["brier"].low < 0 < verdict.differences["brier"].high
    assert not verdict.promoted


def test_a_comparison_is_the_same_every_time() -> None:
    one, other = outcomes(noise=0.2), outcomes(noise=1.0)
    assert compare(card(), one, other.probabilities, "a") == compare(card(), one, other.probabilities, "a")


def test_better_probabilities_do_not_buy_a_worse_ranking() -> None:
    logit = np.random.default_rng(3).normal(0, 1.5, 1_500)
    labels = (np.random.default_rng(4).random(1_500) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    keys = np.arange(1_500).astype(np.str_)
    overconfident = predicted(logit * 6, 0.0, 1)
    challenger = Outcomes(("no order", "order"), labels, predicted(logit, 0.6, 1), keys)
    verdict = compare(card(), challenger, overconfident, "behavior-1")
    assert verdict.differences["brier"].low > 0 > verdict.differences["auc"].high
    assert not verdict.promoted
    assert "better than behavior-1 by brier, but worse by auc" in verdict.reason


def test_rows_of_one_customer_are_drawn_together() -> None:
    alone, rival = outcomes(rows=400, noise=0.2), outcomes(rows=400, noise=1.0)
    tenfold = Outcomes(
        alone.classes,
        np.repeat(alone.labels, 10),
        np.repeat(alone.probabilities, 10, axis=0),
        np.repeat(alone.keys, 10),
    )
    one = compare(card(), alone, rival.probabilities, "a").differences["brier"]
    ten = compare(card(), tenfold, np.repeat(rival.probabilities, 10, axis=0), "a").differences["brier"]
    assert ten.high - ten.low == pytest.approx(one.high - one.low, rel=0.15), "repeating rows is no evidence"


def test_sound_challengers_meet_no_objection() -> None:
    earlier = card(training=Span(START - 90 * DAY, START - 30 * DAY, 1), evaluation=Span(START - 30 * DAY, START, 100))
    assert objection(card(), None, outcomes(), None) is None
    assert objection(card(), earlier, outcomes(), START + 31 * DAY) is None


@pytest.mark.parametrize(
    ("changes", "champion", "judged", "newest", "reason"),
    [
        ({}, None, outcomes(rows=150), None, r"too few rows to evaluate: \d+ no order, \d+ order; it takes 200"),
        (
            {"frame": FrameRecord("f", "0", 1, START)},
            None,
            None,
            START + MAX_LAG + DAY,
            "stale data: it ends 2026-03-01",
        ),
        (
            {"training": Span(START, START + DAY, 1)},
            None,
            None,
            None,
            "overlap: it was trained on data up to 2026-03-02",
        ),
        (
            {},
            {"training": Span(START, START + 9 * DAY, 1)},
            None,
            None,
            "overlap: the champion was trained on data up to",
        ),
        ({}, {"evaluation": Span(START, START + 31 * DAY, 1)}, None, None, "stale data: its window ends 2026-03-31"),
    ],
)
def test_an_unfair_comparison_is_rejected_with_the_reason(
    changes: dict[str, Any],
    champion: dict[str, Any] | None,
    judged: Outcomes | None,
    newest: datetime | None,
    reason: str,
) -> None:
    against = None if champion is None else card(**champion)
    found = objection(card(**changes), against, judged or outcomes(), newest)
    assert found is not None
    assert re.match(reason, found), found


def test_a_window_of_one_class_is_rejected() -> None:
    some = outcomes()
    one = Outcomes(some.classes, np.zeros_like(some.labels), some.probabilities, some.keys)
    assert objection(card(), None, one, None) == "one class: all rows of the evaluation window have the same outcome"
