"""Mean and deviation over the trees: masks and walks say the same bits, and what NumPy says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lalbench.errors import UserError
from lalbench.forests import Forest, grow, moments
from lalbench.forests.moments import MOST_TREES, mean_and_deviation

SIZES = (0, 1, 2, 63, 64, 65, 300, 1023, 1024, 1025, 2100)


def grown(seed: int, n_classes: int, impure: bool, n_trees: int = 7, d: int = 4) -> Forest:
    """Impure: equal rows with several labels."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(40, d)), rng.integers(n_classes, size=40)
    if impure:
        X = np.round(X / 2)
    seeds = np.arange(n_trees, dtype=np.uint64) + np.uint64(seed)
    return grow(X.astype(np.float32), y, n_classes, 2, seeds).forest


def asked(forest: Forest, X: np.ndarray, column: int, masked: Any) -> np.ndarray:
    """The moments with given trees asked by masks."""
    chosen = np.broadcast_to(np.asarray(masked), forest.n_trees).copy()
    return mean_and_deviation(X, forest._tables(), forest.depths(), column, chosen)


def each_tree(forest: Forest, X: np.ndarray, column: int) -> np.ndarray:
    """(B, n) what every tree says, by a forest of its own."""
    found = []
    for b in range(forest.n_trees):
        part = slice(int(forest.starts[b]), int(forest.starts[b + 1]))
        one = Forest(
            forest.feature[part],
            forest.threshold[part],
            forest.children[part],
            forest.values[part],
            np.array([0, part.stop - part.start]),
            forest.n_features,
        )
        found.append(one.mean(X)[:, column])
    return np.array(found)


def constant(values: list[float]) -> Forest:
    """Trees of one leaf each."""
    n = len(values)
    return Forest(
        np.full(n, -1, dtype=np.int32),
        np.zeros(n),
        np.full((n, 2), -1, dtype=np.int32),
        np.array(values)[:, None],
        np.arange(n + 1),
        1,
    )


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10_000),
    st.sampled_from(SIZES),
    st.integers(2, 4),
    st.booleans(),
    st.sampled_from([np.float32, np.float64]),
)
def test_masks_and_walks_say_the_same_bits(
    seed: int, n: int, n_classes: int, impure: bool, dtype: Any
) -> None:
    forest = grown(seed, n_classes, impure)
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, 4)).astype(dtype)
    points[rng.random((n, 4)) < 0.05] = np.nan
    column = int(rng.integers(n_classes))
    by_masks = asked(forest, points, column, True)
    assert np.array_equal(by_masks, asked(forest, points, column, False))
    assert np.array_equal(by_masks, asked(forest, points, column, rng.random(7) < 0.5))
    assert np.array_equal(by_masks, forest.mean_and_deviation(points, column))
    said = each_tree(forest, points, column)
    assert np.allclose(by_masks[0], said.mean(axis=0), rtol=0, atol=1e-15)
    assert np.allclose(by_masks[1], said.std(axis=0), rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.booleans())
def test_thresholds_exactly_on_values(seed: int, impure: bool) -> None:
    forest = grown(seed, 3, impure)
    places = forest.threshold[forest.feature >= 0]
    single = places.astype(np.float32)
    near = [single, np.nextafter(single, np.float32(-9)), np.nextafter(single, np.float32(9))]
    values = np.concatenate([places, np.nextafter(places, 9.0), *near])
    points = np.random.default_rng(seed).choice(values, size=(500, 4))
    by_masks = asked(forest, points, 1, True)
    assert np.array_equal(by_masks, asked(forest, points, 1, False))
    said = each_tree(forest, points, 1)
    assert np.allclose(by_masks, [said.mean(axis=0), said.std(axis=0)], rtol=0, atol=1e-12)


def test_pure_trees_are_counted() -> None:
    forest = grown(0, 2, False, n_trees=50)
    points = np.random.default_rng(1).normal(size=(3000, 4))
    mean, deviation = forest.mean_and_deviation(points, 1)
    votes = each_tree(forest, points, 1).sum(axis=0)
    assert np.array_equal(mean, votes / 50)
    assert np.array_equal(deviation, np.sqrt(votes * (50 - votes)) / 50)
    other, same = forest.mean_and_deviation(points, 0)
    assert np.array_equal(same, deviation)
    assert np.allclose(other, 1 - mean, rtol=0, atol=1e-15)


def test_points_with_equal_votes_are_equal_beside_impure_leaves() -> None:
    # trees with leaves of several classes, but this point reaches none of those
    forest = grown(3, 3, True, n_trees=30)
    points = np.random.default_rng(1).normal(size=(3000, 4))
    said = each_tree(forest, points, 0)
    whole = np.isin(said, (0.0, 1.0)).all(axis=0)
    assert 0 < whole.sum() < len(points)
    found = np.array(forest.mean_and_deviation(points, 0))[:, whole]
    votes = said[:, whole].sum(axis=0)
    for count in np.unique(votes):
        assert len(np.unique(found[:, votes == count], axis=1).T) == 1


@pytest.mark.parametrize("impure", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_permuting_the_points_permutes_the_result(impure: bool, masked: bool) -> None:
    forest = grown(5, 3, impure)
    rng = np.random.default_rng(2)
    points = rng.normal(size=(2500, 4))
    order = rng.permutation(2500)
    found = asked(forest, points, 2, masked)
    assert np.array_equal(asked(forest, points[order], 2, masked), found[:, order])


def test_forests_of_scikit_learn_with_values_of_any_sign() -> None:
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6))
    theirs = RandomForestRegressor(9, min_samples_leaf=3, random_state=0).fit(X, X[:, 0] * X[:, 1])
    forest, points = Forest.from_sklearn(theirs), rng.normal(size=(1500, 6))
    each = np.array([tree.predict(points) for tree in theirs.estimators_])
    assert (each < 0).any()
    for masked in (False, True):
        mean, deviation = asked(forest, points, 0, masked)
        assert np.allclose(mean, each.mean(axis=0), rtol=0, atol=1e-14)
        assert np.allclose(deviation, each.std(axis=0), rtol=0, atol=1e-12)


def test_large_trees_are_walked_with_the_same_result() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20_000, 2)).astype(np.float32), rng.integers(2, size=20_000)
    forest = grow(X, y, 2, 1, np.arange(3, dtype=np.uint64)).forest
    chosen = np.diff(forest.starts) <= moments._NODES * forest.depths()
    assert not chosen.any()
    points = rng.normal(size=(1100, 2))
    wanted = asked(forest, points, 0, True)
    assert np.array_equal(asked(forest, points, 0, False), wanted)
    assert np.array_equal(forest.mean_and_deviation(points, 0), wanted)


def test_trees_of_one_leaf_and_many_votes() -> None:
    mean, deviation = constant([1.0] * 300 + [0.0] * 100).mean_and_deviation([[0.0]] * 3, 0)
    assert mean.tolist() == [0.75] * 3
    assert deviation.tolist() == [np.sqrt(300 * 100) / 400] * 3
    mean, deviation = constant([1.0, 0.0, 0.25]).mean_and_deviation([[0.0]], 0)
    assert mean == pytest.approx(1.25 / 3, abs=1e-15)
    assert deviation == pytest.approx(np.std([1, 0, 0.25]), abs=1e-15)
    mean, deviation = constant([1.0] * MOST_TREES).mean_and_deviation([[0.0]], 0)
    assert (mean[0], deviation[0]) == (1.0, 0.0)
    with pytest.raises(UserError, match=r"65536 trees; use at most 65535"):
        constant([1.0] * (MOST_TREES + 1)).mean_and_deviation([[0.0]], 0)
