"""Training of any model: reproducible to the last bit, without data of the future, rejected with a reason."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from headrace.cases.ecommerce.models.behavior.scorer import Champion
from headrace.contracts.errors import Terminal
from headrace.contracts.features import MONEY_UNITS, CustomerFeatures
from headrace.models import artifact, frames, training
from headrace.models.artifact import Rejected, Trained
from headrace.models.frames import Frame
from headrace.models.registry import files

START = datetime(2026, 1, 1, tzinfo=UTC)


def customers(cutoffs: int = 5, each: int = 250, positive: float = 0.3) -> pl.DataFrame:
    """Customers who order again more often, the more orders they have."""
    random = np.random.default_rng(7)
    size = cutoffs * each
    orders = random.integers(1, 20, size)
    ordered = random.random(size) < positive * orders / 10
    recency = random.random(size) * 90
    return pl.DataFrame(
        {
            "customer_id": [f"C{number % each}" for number in range(size)],
            "cutoff": [START + timedelta(days=14 * (number // each)) for number in range(size)],
            "orders": orders,
            "returns": random.integers(0, 3, size),
            "currency": ["GBP"] * size,
            "monetary_value": random.random(size) * 1000,
            "orders_in_other_currencies": [0] * size,
            "recency_days": recency,
            "tenure_days": recency + random.random(size) * 200,
            "mean_gap_days": np.where(orders > 1, random.random(size) * 40, np.nan),
            "mean_basket_lines": random.random(size) * 30,
            "order_days": orders,
            "last_gap_days": random.integers(1, 40, size),
            "median_gap_days": random.integers(1, 40, size) / 2,
            "longest_gap_days": random.integers(1, 90, size),
            "ordered": ordered,
            "spend": np.where(ordered, random.random(size) * 100, 0.0),
        }
    )


def kept(folder: Path, table: pl.DataFrame) -> Frame:
    return frames.save(folder, "behavior", table, as_of=START + timedelta(days=99), snapshot=3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Frame, Trained]:
    """A frame, and a model trained from it."""
    frame = kept(tmp_path_factory.mktemp("frames"), customers())
    return frame, training.train(frame)


def test_two_trainings_from_one_frame_agree_to_the_last_bit_even_if_read_back(
    trained: tuple[Frame, Trained],
) -> None:
    frame, first = trained
    again = training.reproduce(first.card, frames.load(Path(frame.record.path), "behavior"))
    assert again.card == first.card
    window = training.split(frame).evaluation
    for part in ("serving", "judged"):
        scores = [training.score("behavior", getattr(model, part), window) for model in (first, again)]
        assert scores[0].tobytes() == scores[1].tobytes()


def test_the_window_is_later_than_what_was_learned_from_by_the_length_of_the_label(
    trained: tuple[Frame, Trained],
) -> None:
    card = trained[1].card
    assert card.training.end <= card.evaluation.start
    assert card.serving.end == card.evaluation.end == START + timedelta(days=4 * 14 + 30)


def test_a_model_survives_its_file_to_the_last_bit(trained: tuple[Frame, Trained], tmp_path: Path) -> None:
    frame, model = trained
    window = training.split(frame).evaluation
    for part in (model.serving, model.judged):
        loaded = files.load(tmp_path / "model.skops", files.save(tmp_path / "model.skops", part))
        scores = [training.score("behavior", fitted, window) for fitted in (part, loaded)]
        assert scores[0].tobytes() == scores[1].tobytes()


def test_the_stream_scores_features_as_the_report_judged_them(trained: tuple[Frame, Trained]) -> None:
    frame, model = trained
    window = training.split(frame).evaluation.with_columns(pl.col("monetary_value").round(4))
    features = [
        CustomerFeatures(0, monetary_units=round(row.pop("monetary_value") * MONEY_UNITS), **row)
        for row in window.drop("customer_id", "cutoff", "ordered", "spend").fill_nan(None).to_dicts()
    ]
    scores = Champion("behavior-1", model.serving).score(features)
    judged = training.score("behavior", model.serving, window)[:, 1]
    assert [score.probability for score in scores] == judged.round(6).tolist()
    assert all(score.expected_spend is not None and score.expected_spend > 0 for score in scores)


def test_cutoffs_with_little_past_are_not_learned_from_where_enough_others_remain() -> None:
    number = (pl.col("cutoff") - START).dt.total_days() // 14
    table = customers(cutoffs=6).with_columns(tenure_days=pl.min_horizontal("tenure_days", 40.0 + 30 * number))
    early = number < 2
    window = table.filter(~early)
    spoilt = table.with_columns(ordered=pl.when(early).then(~pl.col("ordered")).otherwise("ordered"), spend=None)
    fitted = [
        training.learner("behavior").fit(each.with_columns(spend=pl.lit(None, pl.Float64)), 1)
        for each in (table, spoilt)
    ]
    scores = [training.score("behavior", each, window).tolist() for each in fitted]
    assert scores[0] == scores[1]
    fewer = [each.filter(number < 4) for each in (table, spoilt)]
    fitted = [training.learner("behavior").fit(each.with_columns(spend=pl.lit(None, pl.Float64)), 1) for each in fewer]
    assert (
        training.score("behavior", fitted[0], window).tolist() != training.score("behavior", fitted[1], window).tolist()
    )


def test_a_card_survives_json(trained: tuple[Frame, Trained]) -> None:
    card = trained[1].card
    assert artifact.decode(artifact.encode(card)) == card
    assert set(card.report.figures()) == {"model", "baselines", "rows", "positive_rate"}
    assert set(card.report.baselines) == {"base_rate", "recency", "rfm_logistic_regression", "bg_nbd", "rfm_rule"}


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (customers(cutoffs=2), "0 rows"),
        (customers(each=20), "too few"),
        (customers(positive=0.0), "0 ordered again"),
        (customers().slice(0, 0), "no rows"),
    ],
)
def test_a_frame_unfit_for_training_is_rejected_with_the_reason(
    tmp_path: Path, table: pl.DataFrame, reason: str
) -> None:
    with pytest.raises(Rejected, match=reason):
        training.train(kept(tmp_path, table))


def test_a_training_without_new_data_is_rejected(tmp_path: Path) -> None:
    frame = kept(tmp_path, customers())
    with pytest.raises(Rejected, match="nothing after"):
        training.train(frame, newer_than=frame.record.as_of)


def test_a_changed_or_missing_frame_is_not_read(tmp_path: Path) -> None:
    path = Path(kept(tmp_path, customers()).record.path)
    with pytest.raises(Terminal, match="not a training frame of intent"):
        frames.load(path, "intent")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Terminal, match="has changed since it was stored"):
        frames.load(path, "behavior")
    path.unlink()
    with pytest.raises(Terminal, match="no training frame"):
        frames.load(path, "behavior")
