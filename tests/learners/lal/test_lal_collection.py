"""Regression data: shapes and laws of algorithm 1, and both ways to build annotated sets."""

from __future__ import annotations

import numpy as np
import pytest

from lalbench.classifiers.random_forest import RandomForest
from lalbench.learners.lal import (
    ColdStart,
    MonteCarlo,
    RegressionData,
    Regressor,
    RegressorOptions,
    Task,
    fit_regressor,
    parts,
)
from lalbench.learners.lal.collection import first_points, random_annotated
from lalbench.learners.lal.states import FOREST
from lalbench.objectives import Scorer


def task(seed: int = 0, n: int = 60, n_classes: int = 2) -> Task:
    rng = np.random.default_rng(seed)
    y = np.append(np.arange(n_classes), rng.integers(n_classes, size=n + 200 - n_classes))
    X = rng.normal(size=(n + 200, 2)) + y[:, None]
    return Task(X[:n], y[:n], Scorer(X[n:], y[n:], np.ones(n_classes)))


def test_rows_of_a_synthetic_collection() -> None:
    start = ColdStart(MonteCarlo(RandomForest()), last_size=6, repetitions=3)
    found = start.independent(parts(start.sizes, 3, 1000)[0])
    assert found.states.shape == (5 * 3 * 10, 8)
    steps = found.improvements * 4000  # the accuracy on 4,000 points
    assert np.allclose(steps, np.round(steps), atol=1e-8)
    size = found.states[:, found.columns.index("size")]
    assert np.array_equal(size, np.repeat([2.0, 3, 4, 5, 6], 30))
    ones = found.states[:, found.columns.index("share")] * size
    assert np.allclose(ones, np.round(ones))
    assert ((np.round(ones) >= 1) & (np.round(ones) <= size - 1)).all()


@pytest.mark.parametrize("random_numbers", ["common", "independent"])
def test_improvements_by_a_plain_loop(random_numbers: str) -> None:
    given, annotated = task(), np.array([0, 1, 5, 9])
    method = MonteCarlo(RandomForest(8), candidates=4, random_numbers=random_numbers)  # type: ignore[arg-type]
    found = method.rows(given, annotated, np.random.default_rng(7))
    rng = np.random.default_rng(7)  # the same draws, in the same order
    pool = np.setdiff1d(np.arange(60), annotated)
    chosen = pool[rng.choice(len(pool), size=4, replace=False)]
    seed = int(rng.integers(2**31 - 1))
    before = given.scorer(
        RandomForest(8, random_state=seed).fit(given.X[annotated], given.y[annotated])
    )
    if random_numbers == "independent":
        for place, candidate in enumerate(chosen):
            rows = np.append(annotated, candidate)
            seed = int(rng.integers(2**31 - 1))
            fitted = RandomForest(8, random_state=seed).fit(given.X[rows], given.y[rows])
            assert found.improvements[place] == given.scorer(fitted) - before
    else:
        from lalbench import oracle

        wanted = oracle.improvements(
            RandomForest(8, random_state=seed),
            given.X[annotated],
            given.y[annotated],
            given.X[chosen],
            given.y[chosen],
            given.scorer,
        )
        assert np.array_equal(found.improvements, wanted)


def test_independent_improvements_are_those_of_scikit_learn() -> None:
    from scipy import stats
    from sklearn.ensemble import RandomForestClassifier

    given, annotated = task(2), np.array([0, 1, 7, 12, 20])
    method = MonteCarlo(RandomForest(15), candidates=1, random_numbers="independent")
    ours, theirs = [], []
    rows = np.append(annotated, -1)
    for seed in range(150):
        rng = np.random.default_rng(seed)
        ours.append(method.rows(given, annotated, rng).improvements[0])
        rng = np.random.default_rng(seed)
        pool = np.setdiff1d(np.arange(60), annotated)
        rows[-1] = pool[rng.choice(len(pool), size=1, replace=False)][0]
        before, after = (
            given.scorer(
                RandomForestClassifier(15, random_state=draw).fit(given.X[part], given.y[part])
            )
            for draw, part in ((2 * seed, annotated), (2 * seed + 1, rows))
        )
        theirs.append(after - before)
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3
    assert abs(np.mean(ours) - np.mean(theirs)) < 4 * np.std(theirs) * (2 / 150) ** 0.5


def test_a_small_pool_gives_fewer_rows() -> None:
    found = MonteCarlo(RandomForest(5)).rows(task(n=8), np.arange(5), np.random.default_rng(0))
    assert len(found) == 3


def test_other_classifiers_and_more_classes() -> None:
    from lalbench import classifiers

    method = MonteCarlo(classifiers.get("logistic_regression"), candidates=3)
    found = method.rows(task(n_classes=3), np.arange(6), np.random.default_rng(0))
    assert found.columns == ("probability", "share", "size")
    assert np.isfinite(found.improvements).all()


def test_starts_hold_every_class() -> None:
    y = np.repeat([0, 1, 2], [30, 2, 1])
    for seed in range(20):
        rng = np.random.default_rng(seed)
        assert y[first_points(y, rng)].tolist() == [0, 1, 2]
        annotated = random_annotated(y, 7, rng)
        assert len(set(annotated.tolist())) == 7
        assert set(y[annotated]) == {0, 1, 2}


def test_parts_change_nothing() -> None:
    start = ColdStart(MonteCarlo(RandomForest(5), candidates=2), last_size=4, repetitions=4)
    whole = start.independent(parts(start.sizes, 4, 100)[0])
    pieces = [start.independent(part) for part in reversed(parts(start.sizes, 4, 5))]
    again = RegressionData.joined(pieces[::-1])
    assert np.array_equal(whole.states, again.states)
    assert np.array_equal(whole.improvements, again.improvements)
    assert [len(part) for part in parts(start.sizes, 4, 5)] == [5, 5, 2]


def planted(column: int, n_columns: int = 7) -> Regressor:
    """A regressor whose prediction grows with one column."""
    rng = np.random.default_rng(0)
    names = ("probability", "deviation", "share", "out_of_bag")
    names += ("importance_spread", "mean_deviation", "depth")
    states = rng.random((400, n_columns))
    data = RegressionData(names[:n_columns], states, states[:, column])
    return fit_regressor(data, RegressorOptions(30, 20, n_columns), seed=0)


def test_a_path_takes_what_its_regressors_prefer() -> None:
    from lalbench.learners.lal import states

    start = ColdStart(MonteCarlo(RandomForest(30)), ties="first")
    given, rng = task(1), np.random.default_rng(3)
    regressor = planted(1)
    path = start.path(given, 6, dict.fromkeys(range(2, 6), regressor), rng)
    assert len(set(path.tolist())) == 6
    rng = np.random.default_rng(3)
    annotated = first_points(given.y, rng)
    for step in range(4):
        assert path[: 2 + step].tolist() == annotated.tolist()
        pool = np.setdiff1d(np.arange(60), annotated)
        fitted = start.monte_carlo.seeded(rng).fit(given.X[annotated], given.y[annotated])
        known = states(fitted, given.y[annotated], given.X[pool], 2)[:, :7]
        best = pool[int(np.argmax(regressor.forest.mean(known)[:, 0]))]
        annotated = np.append(annotated, best)
    assert path.tolist() == annotated.tolist()


def test_data_are_stored_without_pickle(tmp_path: object) -> None:
    from lalbench import files

    found = RegressionData(("a", "b"), np.ones((3, 2)), np.arange(3.0))
    files.write_npz(f"{tmp_path}/rows.npz", found.to_arrays())
    again = RegressionData.from_arrays(files.read_npz(f"{tmp_path}/rows.npz"))
    assert again.columns == ("a", "b")
    assert np.array_equal(again.improvements, found.improvements)
    assert again.without("a").columns == ("b",)


def test_paths_may_begin_with_more_points() -> None:
    start = ColdStart(MonteCarlo(RandomForest(8)), first_size=4, last_size=6, repetitions=1)
    data = RegressionData(FOREST, np.random.default_rng(0).random((50, 8)), np.zeros(50))
    known = fit_regressor(data.without("size"), RegressorOptions(5, 3, 3), seed=0)
    for size in start.sizes:
        rng = np.random.default_rng(size)
        annotated = start.path(task(), size, {4: known, 5: known}, rng)
        assert len(np.unique(annotated)) == size
        assert len(np.unique(task().y[annotated])) == 2
