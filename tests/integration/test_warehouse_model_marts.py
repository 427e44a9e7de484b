"""The marts' figures on the quality of scores equal those of scikit-learn."""

import random
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from sklearn.metrics import brier_score_loss, roc_auc_score

from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.contracts.delivery import STAGING
from headrace.contracts.settings import Settings
from headrace.warehouse.query import run
from tests.integration.building import build_from
from tests.integration.delivered import deliver, prepare, sentiment
from tests.integration.landed import Landing
from tests.integration.samples import at, feedback, order


def score(customer: str, probability: float, *, time: datetime, scored: datetime | None = None) -> CustomerBehavior:
    return CustomerBehavior(
        event_id=f"behavior-{customer}-{time:%m%dT%H%M}",
        event_time=time,
        source="test",
        customer_id=customer,
        feature_cutoff=time,
        orders=1,
        returns=0,
        monetary_value="1",
        repurchase_probability=probability,
        segment="new",
        model_version="behavior-1",
        scored_at=scored or time,
    )


def test_scores_are_compared_with_the_orders_that_followed(fresh: Settings) -> None:
    chance = random.Random(7)
    orders, scores, known = [], [], []
    for number in range(300):
        customer, cutoff = f"C{number}", at(days=chance.randrange(20) - 120)
        probability = round(chance.random(), 1)  # many are the same
        wait = chance.choice([2.0, 12.0, 30.0, 30.01, 45.0]) if chance.random() < probability else None
        orders.append(order(f"{number}-first", ("A", 1, "1"), customer_id=customer, time=cutoff))
        # A return is no order, nor is one that came before.
        orders.append(
            order(f"{number}-r", ("A", -1, "1"), customer_id=customer, time=cutoff + timedelta(1), kind="return")
        )
        if wait is not None:
            for more in (0, 1):
                later = cutoff + timedelta(wait + more)
                orders.append(order(f"{number}-{more}", ("A", 1, "1"), customer_id=customer, time=later))
        scores.append(score(customer, 0.99, time=cutoff - timedelta(minutes=5)))  # a later one of the day replaces it
        scores.append(score(customer, probability, time=cutoff))
        known.append((cutoff, probability, wait is not None and wait <= 30))
    # This one is about days that are not over yet, and this one was made when they were.
    scores.append(score("C1", 0.5, time=at(days=-60)))
    scores.append(score("C2", 0.5, time=at(days=-117), scored=at(days=-40)))
    landing = Landing(fresh)
    landing.land("orders", orders)
    landing.land("customer_behavior", scores)
    build_from(fresh, "orders", "customers", "customer_behavior")

    def performance(where: str) -> list[tuple[object, ...]]:
        columns = "scores, repurchased, auc, brier, base_rate_brier, mean_probability_pct, calibration_error"
        return run(fresh, f"select {columns} from marts.model_performance where {where}").rows

    ordered = np.array([came for _, _, came in known])
    predicted = np.array([probability for _, probability, _ in known])
    tenths = np.minimum((predicted * 10 + 1e-9).astype(int), 9)
    distance = sum(abs(predicted[tenths == each].sum() - ordered[tenths == each].sum()) for each in range(10))

    def rounded(value: float, digits: str = "0.0001") -> Decimal:
        return Decimal(float(value)).quantize(Decimal(digits))

    assert performance("not is_backtest") == [
        (
            300,
            int(ordered.sum()),
            rounded(roc_auc_score(ordered, predicted)),
            rounded(brier_score_loss(ordered, predicted)),
            rounded(ordered.mean() * (1 - ordered.mean())),
            rounded(100 * predicted.mean(), "0.01"),
            rounded(distance / 300),
        )
    ]
    assert [row[0] for row in performance("is_backtest")] == [1]
    # Days end by what is sold: one order a month later, of anybody, and the last score counts.
    landing.land("orders", [order("later", ("A", 1, "1"), customer_id="C299", time=at(days=-25))])
    build_from(fresh, "orders", "customers", "customer_behavior")
    assert sum(int(str(row[0])) for row in performance("not is_backtest")) == 301


def test_a_late_order_turns_its_customers_scores_into_hits(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "1")), order("2", ("A", 1, "1"), customer_id="C9", time=at(days=40))])
    landing.land("customer_behavior", [score("C1", 0.25, time=at())])
    build_from(fresh, "orders", "customers", "customer_behavior")
    outcome = "select repurchased, brier from marts.model_performance"
    assert run(fresh, outcome).rows == [(0, Decimal("0.0625"))]
    landing.land("orders", [order("late", ("A", 1, "1"), time=at(days=9))])
    build_from(fresh, "orders", "customers", "customer_behavior")
    assert run(fresh, outcome).rows == [(1, Decimal("0.5625"))]


def test_the_sentiment_of_feedback_is_compared_with_labels_and_stars(fresh: Settings) -> None:
    prepare(fresh, STAGING)
    landing = Landing(fresh)
    judged = [
        ("f1", 1, None),
        ("f2", 5, None),
        ("f3", 3, None),
        ("f4", None, None),
        ("f5", 5, "negative"),
        ("f6", 4, None),
    ]
    landing.land("customer_feedback", [feedback(name, rating=stars, label=label) for name, stars, label in judged])
    labels = ["negative", "negative", "neutral", "positive", "positive", None]
    sentiments = [
        sentiment(number, event_time=at(), subject="feedback", subject_id=name, platform="form", label=label)
        for number, ((name, _, _), label) in enumerate(zip(judged, labels, strict=True))
    ]
    deliver(fresh, STAGING, sentiments, first=0)
    build_from(fresh, "customer_feedback", "customer_sentiment")
    found = run(fresh, "from marts.sentiment_accuracy")
    assert dict(zip(found.columns[3:], found.rows[0][3:], strict=True)) == {
        "texts": 4,
        "correct_predictions": 2,
        "polarity_flips": 2,
        "negative_actual": 2,
        "negative_true_positives": 1,
        "neutral_actual": 1,
        "neutral_true_positives": 1,
        "positive_actual": 1,
        "positive_true_positives": 0,
    }
