"""Temperature scaling: probabilities that are too sure become as likely as they say, and rank as they did."""

import numpy as np

from models.calibration import temperature, tempered
from models.metrics import expected_calibration_error


def test_what_is_too_sure_becomes_calibrated_without_changing_the_ranking() -> None:
    random = np.random.default_rng(2)
    logits = random.normal(0, 1.5, 20_000)
    labels = (random.random(20_000) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    sure = 1 / (1 + np.exp(-2.5 * logits))
    said = np.column_stack([1 - sure, sure])
    found = temperature(labels, said)
    assert abs(found - 2.5) < 0.15
    calmer = tempered(said, found)
    assert expected_calibration_error(labels, calmer) < 0.01 < expected_calibration_error(labels, said)
    assert (np.argsort(calmer[:, 1]) == np.argsort(said[:, 1])).all()
    assert np.allclose(calmer.sum(axis=1), 1.0)
