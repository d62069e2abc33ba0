"""The regressor: equal to scikit-learn's, grids, sizes beyond its data, storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lalbench import files
from lalbench.classifiers.random_forest import RandomForest
from lalbench.errors import CorruptFileError, UserError
from lalbench.learners.lal import (
    ColdStart,
    MonteCarlo,
    RegressionData,
    Regressor,
    RegressorOptions,
    fit_regressor,
    grid,
    parts,
    search,
)

NAMES = ("probability", "share", "size")


def data(n: int = 300, seed: int = 0) -> RegressionData:
    rng = np.random.default_rng(seed)
    states = np.column_stack([rng.integers(0, 11, n) / 10, rng.random(n), rng.integers(2, 20, n)])
    improvements = (
        states[:, 0] * (1 - states[:, 0]) + 0.01 * states[:, 2] + rng.normal(size=n) * 0.02
    )
    return RegressionData(NAMES, states.astype(float), improvements)


def test_predictions_are_those_of_scikit_learn() -> None:
    from sklearn.ensemble import RandomForestRegressor

    given = data()
    found = fit_regressor(given, RegressorOptions(40, 12, 2, 3), seed=5)
    theirs = RandomForestRegressor(
        40, max_depth=12, max_features=2, min_samples_leaf=3, oob_score=True, random_state=5
    ).fit(given.states, given.improvements)
    points = data(500, 1).states
    assert np.allclose(found.predict(points), theirs.predict(points), atol=1e-14)
    assert found.out_of_bag == theirs.oob_score_
    assert np.allclose(found.importances, theirs.feature_importances_)
    assert found.largest_size == 19


@pytest.mark.parametrize("n_varying", [0, 1, 2, 3])
def test_equal_states_are_predicted_once_and_alike(n_varying: int) -> None:
    found = fit_regressor(data(), RegressorOptions(20, 12, 2), seed=0)
    rng = np.random.default_rng(2)
    states = np.tile([0.3, 0.4, 7.0], (200, 1))
    states[:, :n_varying] = rng.integers(0, 4, size=(200, n_varying))
    predicted = found.predict(states)
    assert np.array_equal(predicted, found.forest.mean(states)[:, 0])


def test_sizes_beyond_the_data() -> None:
    found = fit_regressor(data(), RegressorOptions(20, 12, 3), seed=0)
    inside, outside = np.array([[0.5, 0.5, 19.0]]), np.array([[0.5, 0.5, 400.0]])
    assert found.predict(outside)[0] == found.predict(inside)[0]
    assert found.predict(outside, "extrapolate")[0] == found.forest.mean(outside)[0, 0]
    assert outside[0, 2] == 400  # the caller's array is as it was


def test_a_grid_keeps_the_best_by_out_of_bag() -> None:
    given = data()
    options = grid([10, 40], [2, 12], [1, 3])
    assert len(options) == 8
    found = search(given, options, seed=1)
    alone = {each: fit_regressor(given, each, seed=1) for each in options}
    best = max(each.out_of_bag for each in alone.values())
    assert found.out_of_bag >= best - 1e-4
    # a forest that grew is the one fitted at once
    same = alone[found.options]
    assert found.out_of_bag == pytest.approx(same.out_of_bag, abs=1e-12)
    assert np.array_equal(found.forest.threshold, same.forest.threshold)


def test_stored_and_read_bit_equal(tmp_path: object) -> None:
    found = fit_regressor(data(), RegressorOptions(10, 12, 2), seed=0)
    files.write_npz(f"{tmp_path}/r.npz", found.to_arrays())
    again = Regressor.from_arrays(files.read_npz(f"{tmp_path}/r.npz"))
    points = data(100, 3).states
    assert np.array_equal(again.predict(points), found.predict(points))
    assert (again.columns, again.options) == (found.columns, found.options)


def _holding(array: NDArray[Any], value: Any, place: int = 0) -> NDArray[Any]:
    changed = array.copy()
    changed[place] = value
    return changed


DAMAGE: dict[str, tuple[str, Callable[[NDArray[Any]], NDArray[Any]]]] = {
    "a tree that goes round": ("children", lambda a: _holding(a, 0)),
    "a node that is not there": ("children", lambda a: _holding(a, 2**31 - 1)),
    "a node below the first": ("children", lambda a: _holding(a, -5)),
    "a feature that is not there": ("feature", lambda a: _holding(a, 2**31 - 1)),
    "nodes of no tree": ("starts", lambda a: _holding(a, 2**62, -1)),
    "trees that begin before": ("starts", lambda a: _holding(a, -1, 1)),
    "another byte order": ("children", lambda a: a.astype(">i4")),
    "other numbers": ("children", lambda a: a.astype(np.float64)),
    "numbers for names": ("columns", lambda a: np.arange(len(a))),
    "leaves that are not finite": ("values", lambda a: a * np.nan),
    "several values": ("values", lambda a: np.hstack([a, a])),
    "fewer columns": ("columns", lambda a: a[:-1]),
    "more columns than any row has": ("n_features", lambda a: np.array(2**40)),
    "text for a number": ("largest_size", lambda a: np.array("7")),
    "many numbers for one": ("out_of_bag", lambda a: np.zeros(3)),
    "few options": ("options", lambda a: a[:2]),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_arrays_that_are_no_regressor_are_refused(name: str) -> None:
    """Compiled code walks along the trees: it would not end, or leave the arrays."""
    arrays = fit_regressor(data(60), RegressorOptions(3, 5, 2), seed=0).to_arrays()
    key, change = DAMAGE[name]
    with pytest.raises(CorruptFileError, match="a stored regressor is damaged"):
        Regressor.from_arrays(arrays | {key: change(arrays[key])})
    del arrays[key]
    with pytest.raises(CorruptFileError, match="a stored regressor is damaged"):
        Regressor.from_arrays(arrays)


@pytest.mark.parametrize("name", ["columns", "states", "improvements"])
def test_rows_that_do_not_fit_together_are_refused(name: str) -> None:
    arrays = data(9).to_arrays()
    for changed in (arrays[name][:-1], arrays[name].astype("S")):
        with pytest.raises(CorruptFileError, match="stored rows of a regressor are damaged"):
            RegressionData.from_arrays(arrays | {name: changed})


def test_processes_change_no_bit() -> None:
    one = fit_regressor(data(), RegressorOptions(12, 12, 2), seed=0)
    two = fit_regressor(data(), RegressorOptions(12, 12, 2), seed=0, processes=2)
    assert np.array_equal(one.forest.threshold, two.forest.threshold)
    assert np.array_equal(one.forest.values, two.forest.values)


def test_bad_input() -> None:
    found = fit_regressor(data(), RegressorOptions(5, 5, 2), seed=0)
    with pytest.raises(UserError, match=r"states: shape .*; give the columns probability, share"):
        found.predict(np.ones((3, 2)))
    empty = RegressionData(NAMES, np.empty((0, 3)), np.empty(0))
    with pytest.raises(UserError, match="no rows to learn from"):
        fit_regressor(empty, RegressorOptions(), seed=0)
    with pytest.raises(UserError, match="grid: no options in it"):
        search(data(), [], seed=0)


def test_two_points_tell_much_of_the_next_label() -> None:
    start = ColdStart(MonteCarlo(RandomForest()), last_size=2, repetitions=500)
    given = start.independent(parts(start.sizes, 500, 500)[0])
    assert len(given) == 5000
    found = fit_regressor(given.without("size"), RegressorOptions(100, 20, 7), seed=0)
    assert found.out_of_bag > 0.3
