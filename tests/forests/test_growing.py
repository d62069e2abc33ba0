"""Growing trees and forests: against scikit-learn, naive searches and laws of probability."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from lalbench.forests import Forest, grow
from lalbench.forests.growing import draw_rows, grow_tree

SEEDS = np.arange(20, dtype=np.uint64)


def grow_one(
    X: np.ndarray, y: np.ndarray, counts: np.ndarray, max_features: int, seed: int = 0
) -> tuple[Forest, np.ndarray]:
    """A single tree with given weights as a forest, and its gains."""
    size, n_classes = 2 * len(X) + 1, int(y.max()) + 1
    nodes = (
        np.empty(size, dtype=np.int32),
        np.empty(size),
        np.empty((size, 2), dtype=np.int32),
        np.empty((size, n_classes)),
    )
    gains = np.zeros(X.shape[1])
    used = grow_tree(
        np.ascontiguousarray(X, dtype=np.float32),
        y.astype(np.int64),
        counts.astype(np.int64),
        max_features,
        np.uint64(seed),
        nodes,
        gains,
    )
    starts = np.array([0, used])
    return Forest(*(array[:used] for array in nodes), starts, X.shape[1]), gains


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 200), st.integers(2, 4), st.booleans())
@example(4418, 50, 2, False)  # splits that are equal but for their rounding
def test_one_feature_gives_the_tree_of_scikit_learn(
    seed: int, n: int, n_classes: int, rounded: bool
) -> None:
    from sklearn.tree import DecisionTreeClassifier

    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 1)).astype(np.float32)
    if rounded:  # equal values and leaves of several classes
        X = np.round(X * 2) / 2
    y = rng.integers(n_classes, size=n)
    y[:n_classes] = np.arange(min(n, n_classes))
    counts = rng.integers(0, 3, size=n)
    counts[0] = 1
    ours, _ = grow_one(X, y, counts, 1)
    theirs = DecisionTreeClassifier(random_state=0).fit(X, y, sample_weight=counts.astype(float))
    points = rng.normal(size=(200, 1)).astype(np.float32)
    assert np.array_equal(ours.mean(points), theirs.predict_proba(points))
    wanted = np.sort(theirs.tree_.threshold[theirs.tree_.feature >= 0])
    assert np.array_equal(np.sort(ours.threshold[ours.feature >= 0]), wanted)
    assert ours.depths()[0] == theirs.tree_.max_depth


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(3, 60), st.integers(1, 5))
def test_the_root_has_the_best_of_all_splits(seed: int, n: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(n, d)), 1).astype(np.float32)
    y, counts = rng.integers(3, size=n), rng.integers(0, 4, size=n)
    y[:3], counts[:3] = (0, 1, 2), 1
    tree, _ = grow_one(X, y, counts, d, seed)

    def impurity(rows: np.ndarray) -> float:
        weights = np.bincount(y[rows], counts[rows], minlength=3)
        return float(weights.sum() - (weights**2).sum() / max(1.0, weights.sum()))

    everything = np.arange(n)
    gains = {
        (feature, value): impurity(everything)
        - impurity(np.flatnonzero(X[:, feature] <= value))
        - impurity(np.flatnonzero(X[:, feature] > value))
        for feature in range(d)
        for value in np.unique(X[counts > 0, feature])[:-1]
    }
    if not gains:
        assert len(tree.feature) == 1
        return
    goes_left = X[:, tree.feature[0]] <= tree.threshold[0]
    found = (
        impurity(everything)
        - impurity(np.flatnonzero(goes_left))
        - impurity(np.flatnonzero(~goes_left))
    )
    assert found == pytest.approx(max(gains.values()), abs=1e-9)


def test_leaves_are_pure_unless_rows_are_equal() -> None:
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(40, 3)), rng.integers(2, size=40)
    pure = grow(X.astype(np.float32), y, 2, 1, SEEDS).forest
    leaves = pure.feature < 0
    assert set(np.unique(pure.values[leaves])) == {0.0, 1.0}
    same = grow(np.ones((4, 2), dtype=np.float32), np.array([0, 0, 0, 1]), 2, 1, SEEDS)
    assert same.forest.n_trees == len(same.forest.feature)  # no split anywhere
    shares = same.counts @ np.eye(2)[[0, 0, 0, 1]] / 4
    assert np.allclose(same.forest.values, shares)


def test_importances_are_the_mean_decreases_of_the_trees() -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(50, 4)).astype(np.float32)
    y = (X[:, 0] + 0.3 * X[:, 2] > 0).astype(np.int64)
    found = grow(X, y, 2, 2, SEEDS)
    singles = []
    for seed, counts in zip(SEEDS, found.counts, strict=True):
        _, gains = grow_one(X, y, counts, 2, int(seed))
        singles.append(gains / gains.sum())
    assert np.allclose(found.importances, np.mean(singles, axis=0))
    assert found.importances.sum() == pytest.approx(1)


def test_a_tree_depends_on_its_seed_alone() -> None:
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(30, 5)).astype(np.float32), rng.integers(3, size=30)
    whole = grow(X, y, 3, 2, SEEDS)
    part = grow(X, y, 3, 2, SEEDS[7:9])
    first, last = whole.forest.starts[7], whole.forest.starts[9]
    assert np.array_equal(whole.forest.threshold[first:last], part.forest.threshold)
    assert np.array_equal(whole.counts[7:9], part.counts)


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_are_drawn_with_their_chances(weighted: bool) -> None:
    chances = np.array([0.1, 0.0, 0.4, 0.5]) if weighted else np.full(4, 0.25)
    steps = np.cumsum(chances) if weighted else np.empty(0)
    found = np.empty(20_000, dtype=np.int64)
    draw_rows(np.uint64(5), 4, steps, found)
    seen = np.bincount(found, minlength=4)
    assert seen[chances == 0].sum() == 0
    wanted = chances[chances > 0] * len(found)
    assert stats.chisquare(seen[chances > 0], wanted).pvalue > 1e-4


def test_every_feature_is_as_likely_at_the_root() -> None:
    rng = np.random.default_rng(4)
    y = np.repeat([0, 1], 10)
    X = (y[:, None] + rng.normal(size=(20, 6)) * 0.01).astype(np.float32)  # all separate perfectly
    roots = grow(X, y, 2, 1, np.arange(3000, dtype=np.uint64))
    first = roots.forest.feature[roots.forest.starts[:-1]]
    assert stats.chisquare(np.bincount(first[first >= 0], minlength=6)).pvalue > 1e-4


def test_constant_features_are_passed_over() -> None:
    X = np.zeros((10, 30), dtype=np.float32)
    X[5:, 17] = 1
    found = grow(X, np.repeat([0, 1], 5), 2, 1, SEEDS).forest
    assert set(found.feature[found.feature >= 0]) == {17}
