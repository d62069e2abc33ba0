"""Forests as arrays: taken over from scikit-learn, walked, counted by masks, stored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lalbench import files
from lalbench.errors import UserError
from lalbench.forests import Forest, grow
from lalbench.forests.counting import add_tree, below


def made(seed: int = 0, n: int = 60, d: int = 4, n_classes: int = 3) -> tuple[Forest, np.ndarray]:
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, d)), rng.integers(n_classes, size=n)
    seeds = np.arange(15, dtype=np.uint64)
    forest = grow(X.astype(np.float32), y, n_classes, 2, seeds).forest
    return forest, rng.normal(size=(300, d))


def test_a_forest_of_scikit_learn_says_the_same() -> None:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 5)), rng.integers(3, size=80)
    points = rng.normal(size=(500, 5))
    classifier = RandomForestClassifier(12, max_depth=4, random_state=1).fit(X, y)
    taken = Forest.from_sklearn(classifier)
    assert np.array_equal(taken.mean(points), classifier.predict_proba(points))
    each = np.array([tree.predict_proba(points)[:, 1] for tree in classifier.estimators_])
    mean, deviation = taken.mean_and_deviation(points, 1)
    assert np.allclose(mean, each.mean(axis=0), atol=1e-15)
    assert np.allclose(deviation, each.std(axis=0), atol=1e-15)
    depths = [tree.tree_.max_depth for tree in classifier.estimators_]
    assert taken.depths().tolist() == depths
    regressor = RandomForestRegressor(9, random_state=1).fit(X, X[:, 0] * y)
    assert np.allclose(
        Forest.from_sklearn(regressor).mean(points)[:, 0], regressor.predict(points), atol=1e-14
    )


def test_deviation_by_hand() -> None:
    # two stumps at 0 on one feature; they say 0.2 / 0.8 and 0.6 / 0.0 of class 1
    forest = Forest(
        feature=np.array([0, -1, -1, 0, -1, -1], dtype=np.int32),
        threshold=np.zeros(6),
        children=np.array([[1, 2], [-1, -1], [-1, -1]] * 2, dtype=np.int32),
        values=np.array([[0, 0], [0.8, 0.2], [0.2, 0.8], [0, 0], [0.4, 0.6], [1, 0]], dtype=float),
        starts=np.array([0, 3, 6]),
        n_features=1,
    )
    mean, deviation = forest.mean_and_deviation([[-1.0], [0.0], [1.0]], 1)
    assert mean.tolist() == pytest.approx([0.4, 0.4, 0.4])
    assert deviation.tolist() == pytest.approx([0.2, 0.2, 0.4])


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 2100), st.integers(2, 4), st.booleans())
def test_masks_count_what_walks_count(
    seed: int, n_points: int, n_classes: int, impure: bool
) -> None:
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(30, 3)), rng.integers(n_classes, size=30)
    if impure:
        X = np.round(X)
    forest = grow(X.astype(np.float32), y, n_classes, 1, np.arange(4, dtype=np.uint64)).forest
    points = rng.normal(size=(n_points, 3)).astype(np.float32)
    points[0] = np.nan
    columns = np.ascontiguousarray(points.T)
    votes = np.zeros((n_classes, n_points), dtype=np.uint16)
    shares = np.zeros((n_classes, n_points))
    for b in range(4):
        part = slice(int(forest.starts[b]), int(forest.starts[b + 1]))
        tree = tuple(
            getattr(forest, name)[part] for name in ("feature", "threshold", "children", "values")
        )
        add_tree(columns, tree, part.stop - part.start, votes, shares)
    assert np.allclose((votes + shares).T / 4, forest.mean(points), atol=1e-15)


@given(st.floats(-1e30, 1e30))
def test_thresholds_are_rounded_down(threshold: float) -> None:
    found = below(threshold)
    assert np.float32(found) == found
    assert float(found) <= threshold
    assert float(np.nextafter(np.float32(found), np.float32(np.inf))) > threshold


def test_stored_and_read_again(tmp_path: object) -> None:
    forest, points = made()
    path = f"{tmp_path}/forest.npz"
    files.write_npz(path, forest.to_arrays())
    again = Forest.from_arrays(files.read_npz(path))
    assert np.array_equal(again.mean(points), forest.mean(points))
    assert again.n_features == 4


def test_rows_of_other_features_are_refused() -> None:
    forest, points = made()
    with pytest.raises(UserError, match=r"X: shape .300, 3.; give rows of the 4 fitted features"):
        forest.mean(points[:, :3])
