"""Trees by look-ups say what scikit-learn says, to the last bit."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from models.trees import trees

ROWS, COLUMNS = 2_000, 6


def _rows(seed: int, size: int = ROWS) -> NDArray[np.float64]:
    """Rows with ties and missing values."""
    chance = np.random.default_rng(seed)
    rows = chance.normal(size=(size, COLUMNS)).round(1)
    rows[chance.random(rows.shape) < 0.1] = np.nan
    return rows


@pytest.mark.parametrize("leaves", [2, 5, 8])
def test_trees_by_look_ups_say_the_same_to_the_last_bit(leaves: int) -> None:
    learned, judged = _rows(1), _rows(2)
    judged[0], judged[1] = np.inf, -np.inf
    # Of a column that was complete, a missing value may still be judged.
    learned[:, 1] = np.nan_to_num(learned[:, 1])
    known = np.nan_to_num(learned)
    chance = np.random.default_rng(3).normal(size=ROWS)
    classifier = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=leaves)
    classifier.fit(learned, (known[:, 0] + known[:, 1] ** 2 + chance > 0.5).astype(np.int64))
    regressor = HistGradientBoostingRegressor(loss="poisson", max_iter=60, max_leaf_nodes=leaves).fit(
        learned, np.exp(known[:, 0])
    )
    assert expit(trees(classifier).raw(judged)).tolist() == classifier.predict_proba(judged)[:, 1].tolist()
    assert np.exp(trees(regressor).raw(judged)).tolist() == regressor.predict(judged).tolist()
    assert trees(classifier) is trees(classifier)


def test_a_row_scores_the_same_in_any_batch() -> None:
    learned = _rows(1)
    regressor = HistGradientBoostingRegressor(max_iter=20, max_leaf_nodes=8).fit(learned, np.nan_to_num(learned[:, 0]))
    judged = _rows(2, 50)
    alone = np.concatenate([trees(regressor).raw(judged[[row]]) for row in range(50)])
    assert alone.tolist() == trees(regressor).raw(judged).tolist()


def test_larger_trees_are_refused() -> None:
    learned = _rows(1)
    regressor = HistGradientBoostingRegressor(max_iter=2, max_leaf_nodes=31).fit(learned, np.nan_to_num(learned[:, 0]))
    with pytest.raises(ValueError, match="eight leaves"):
        trees(regressor)
