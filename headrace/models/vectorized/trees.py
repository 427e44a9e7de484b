"""Gradient-boosted trees of few leaves, scored for a whole batch by table lookups: the same to the last bit as
scikit-learn, which walks every tree for every row.

The algorithm is QuickScorer: Lucchese and others, "QuickScorer: a fast algorithm to rank documents with additive
ensembles of regression trees", 2015. A tree's leaves are numbered from the left; each split that sends a row to the
right eliminates the leaves at its left, and the row ends in the first remaining leaf. Which leaves a value eliminates
depends only on how many of the feature's thresholds lie below it, so each feature has a lookup table: a row costs one
lookup per feature, for all trees together.
"""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

MOST_LEAVES = 8
"""The leaves of a tree are bits of a byte."""
_ALL = (1 << MOST_LEAVES) - 1
_FIRST_BIT = np.asarray([0, *((mask & -mask).bit_length() - 1 for mask in range(1, _ALL + 1))])

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class _Feature:
    """`remaining[n]`: the remaining leaves of each tree for a value above n thresholds; last, for a missing value."""

    column: int
    thresholds: Numbers
    remaining: NDArray[np.uint8]


@dataclass(frozen=True)
class Trees:
    """An ensemble. `values[256 * tree + leaves]` is the value of the first of those leaves."""

    features: tuple[_Feature, ...]
    values: Numbers
    offsets: NDArray[np.int64]
    baseline: float

    def raw(self, matrix: Numbers) -> Numbers:
        """The sum over the trees of each row, before the link function."""
        remaining = np.full((len(matrix), len(self.offsets)), _ALL, dtype=np.uint8)
        for feature in self.features:
            column = matrix[:, feature.column]
            places = np.searchsorted(feature.thresholds, column, side="left")
            places[np.isnan(column)] = len(feature.thresholds) + 1
            remaining &= feature.remaining[places]
        leaf_values = self.values[remaining + self.offsets]
        # Added tree by tree, like scikit-learn: a different order would change the last bit.
        total = np.full(len(matrix), self.baseline)
        for each in leaf_values.T:
            total += each
        return total


_known: WeakKeyDictionary[Any, Trees] = WeakKeyDictionary()


def trees(estimator: Any) -> Trees:
    """The trees of a fitted HistGradientBoosting estimator with one output; cached.

    Raises:
        ValueError: a tree has more than `MOST_LEAVES` leaves, or splits by category.
    """
    if estimator not in _known:
        _known[estimator] = _trees(estimator)
    return _known[estimator]


def _trees(estimator: Any) -> Trees:
    nodes = [each.nodes for (each,) in estimator._predictors]  # noqa: SLF001  scikit-learn has no public access to its trees
    splits: dict[int, list[tuple[float, bool, int, int]]] = {}
    values = np.zeros((len(nodes), _ALL + 1))
    for number, tree in enumerate(nodes):
        leaves = _leaves(tree, 0)
        if len(leaves) > MOST_LEAVES or tree["is_categorical"].any():
            raise ValueError("trees of more than eight leaves, or with categories, are not supported")
        values[number] = tree["value"][np.asarray(leaves)[np.minimum(_FIRST_BIT, len(leaves) - 1)]]
        place = {leaf: bit for bit, leaf in enumerate(leaves)}
        for node in tree[tree["is_leaf"] == 0]:
            struck = _ALL & ~sum(1 << place[leaf] for leaf in _leaves(tree, int(node["left"])))
            split = (float(node["num_threshold"]), bool(node["missing_go_to_left"]), number, struck)
            splits.setdefault(int(node["feature_idx"]), []).append(split)
    features = tuple(_feature(column, splits[column], len(nodes)) for column in sorted(splits))
    offsets = np.arange(len(nodes)) * (_ALL + 1)
    baseline = float(np.ravel(estimator._baseline_prediction)[0])  # noqa: SLF001
    return Trees(features, values.ravel(), offsets, baseline)


def _leaves(tree: Any, root: int) -> list[int]:
    """The leaves below a node, from the left."""
    if tree["is_leaf"][root]:
        return [root]
    return _leaves(tree, int(tree["left"][root])) + _leaves(tree, int(tree["right"][root]))


def _feature(column: int, splits: list[tuple[float, bool, int, int]], count: int) -> _Feature:
    thresholds = np.unique([threshold for threshold, *_ in splits])
    remaining = np.full((len(thresholds) + 2, count), _ALL, dtype=np.uint8)
    for threshold, missing_goes_left, tree, struck in splits:
        remaining[np.searchsorted(thresholds, threshold) + 1 : -1, tree] &= struck
        if not missing_goes_left:
            remaining[-1, tree] &= struck
    return _Feature(column, thresholds, remaining)
