"""Temperature scaling: overconfident probabilities become calibrated and keep their ranking."""

import numpy as np

from headrace.models.calibration import temperature, tempered
from headrace.models.metrics import error_if_calibrated, expected_calibration_error


def test_overconfident_scores_become_calibrated_without_changing_the_ranking() -> None:
    random = np.random.default_rng(2)
    logits = random.normal(0, 1.5, 20_000)
    labels = (random.random(20_000) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    sure = 1 / (1 + np.exp(-2.5 * logits))
    predicted = np.column_stack([1 - sure, sure])
    found = temperature(labels, predicted)
    assert abs(found - 2.5) < 0.15
    calmer = tempered(predicted, found)
    assert expected_calibration_error(labels, calmer) < 0.01 < expected_calibration_error(labels, predicted)
    assert (np.argsort(calmer[:, 1]) == np.argsort(predicted[:, 1])).all()
    assert np.allclose(calmer.sum(axis=1), 1.0)


def test_the_calibration_error_of_chance_falls_with_the_square_root_of_the_rows() -> None:
    random = np.random.default_rng(3)
    few, many = (random.uniform(0.05, 0.6, size) for size in (1_000, 16_000))
    found = [error_if_calibrated(np.column_stack([1 - predicted, predicted]), 1) for predicted in (few, many)]
    assert found[0].low < found[0].value < found[0].high
    assert 3.0 < found[0].value / found[1].value < 5.5
    labels = (random.random(len(many)) < many).astype(np.int64)
    assert expected_calibration_error(labels, np.column_stack([1 - many, many])) < found[1].high * 1.2
