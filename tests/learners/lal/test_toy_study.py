"""The toy study of uncertainty sampling: figure 1 of the paper, and how its numbers come about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lalbench import classifiers
from lalbench.data.gaussian_clouds import isotropic_gaussian_clouds
from lalbench.errors import UserError
from lalbench.learners.lal import toy_study
from lalbench.learners.lal.collection import first_points
from lalbench.learners.lal.toy_study import BinnedImprovement, improvement_by_probability

UNEQUAL = 1 / 3  # class 0 is twice as large
SMALL = {"n": 100, "n_test": 1000}


@pytest.fixture(scope="module")
def curves() -> dict[str, BinnedImprovement]:
    return {
        name: improvement_by_probability(share, 2000, seed=0, **SMALL)
        for name, share in (("equal", 0.5), ("unequal", UNEQUAL))
    }


def deviations(curve: BinnedImprovement, contrast: Any) -> float:
    """A linear combination of the means, in its standard errors."""
    weights = np.asarray(contrast, dtype=float)
    return float(weights @ curve.means / np.sqrt(weights @ curve.covariance @ weights))


def against_mirror(curve: BinnedImprovement) -> np.ndarray:
    """For every bin above 0.5 its difference to the mirror image, in standard errors."""
    unit = np.eye(20)
    return np.array([deviations(curve, unit[place] - unit[19 - place]) for place in range(10, 20)])


def tilt(curve: BinnedImprovement) -> float:
    """Bins from 0.5 to 0.7 against those from 0.3 to 0.5, in standard errors."""
    sides = np.repeat([0.0, -0.25, 0.25, 0.0], [6, 4, 4, 6])
    return deviations(curve, sides)


def test_equal_clouds_have_their_maximum_where_the_classifier_is_uncertain(
    curves: dict[str, BinnedImprovement],
) -> None:
    equal = curves["equal"]
    assert 0.4 <= equal.peak <= 0.6
    best = np.abs(equal.centres - 0.5) < 0.1
    for side in (equal.centres < 0.2, equal.centres > 0.8):
        assert deviations(equal, best / best.sum() - side / side.sum()) > 4
    assert np.abs(against_mirror(equal)).max() < 4
    assert abs(tilt(equal)) < 4


def test_unequal_clouds_move_the_maximum_and_are_not_symmetric(
    curves: dict[str, BinnedImprovement],
) -> None:
    unequal = curves["unequal"]
    assert unequal.peak > 0.5
    assert tilt(unequal) > 3.5
    found = against_mirror(unequal)
    assert found.max() > 7
    assert (found > 4).sum() >= 5


def test_an_experiment_is_a_loop_of_plain_fits() -> None:
    clouds = isotropic_gaussian_clouds(np.random.default_rng(1), 30, 500, UNEQUAL, 2.0)
    X, y, X_test, y_test = clouds
    made = classifiers.get("logistic_regression", C=10.0)
    found = toy_study.experiment(made, *clouds, np.random.default_rng(2))
    annotated = first_points(y, np.random.default_rng(2))
    assert y[annotated].tolist() == [0, 1]

    def accuracy(rows: Any) -> float:
        fitted = classifiers.clone(made).fit(X[rows], y[rows])
        return float((fitted.predict(X_test) == y_test).mean())

    others = np.setdiff1d(np.arange(30), annotated)
    before = classifiers.clone(made).fit(X[annotated], y[annotated])
    np.testing.assert_allclose(found[0], before.predict_proba(X[others])[:, 0], rtol=1e-9)
    expected = [accuracy(np.append(annotated, row)) - accuracy(annotated) for row in others]
    np.testing.assert_allclose(found[1], expected, atol=1e-12)
    assert np.ptp(expected) > 0.01


def test_bins_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    given = iter(
        [
            (np.array([0.0, 0.24, 0.5, 1.0]), np.array([1.0, 3.0, 5.0, 7.0])),
            (np.array([0.1, 0.6, 0.7, 0.9]), np.array([8.0, 1.0, 0.0, 9.0])),
        ]
    )
    monkeypatch.setattr(toy_study, "experiment", lambda *_: next(given))
    found = improvement_by_probability(n_experiments=2, bins=4, n=6, n_test=6)
    np.testing.assert_array_equal(found.edges, [0.0, 0.25, 0.5, 0.75, 1.0])
    np.testing.assert_array_equal(found.counts, [3, 0, 3, 2])
    np.testing.assert_array_equal(found.means, [4.0, np.nan, 2.0, 8.0])
    # residual sums of the experiments: -4 and 4; 3 and -3; -1 and 1
    spread = np.sqrt(2 * 2) * np.array([4 / 3, np.nan, 1.0, 1 / 2])
    np.testing.assert_allclose(found.errors, spread)
    assert found.covariance[0, 2] == pytest.approx(-spread[0] * spread[2])
    assert found.peak == 0.875


def test_errors_are_what_repetitions_show() -> None:
    """Points of one experiment share its classifier: counting them singly gives too little."""
    runs = [improvement_by_probability(0.5, 50, seed, bins=4, **SMALL) for seed in range(40)]
    shown = np.std([run.means for run in runs], axis=0, ddof=1)
    claimed = np.sqrt(np.mean([np.diag(run.covariance) for run in runs], axis=0))
    # a standard deviation of 40 has an error of 11 %
    np.testing.assert_allclose(claimed, shown, rtol=0.4)


def test_a_seed_decides_everything() -> None:
    first, same, other = (
        improvement_by_probability(0.5, 3, seed, bins=2, **SMALL).means for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("wrong", [{"n_experiments": 1}, {"bins": 0}, {"n": 2}, {"share": 1.0}])
def test_arguments_that_cannot_be_used(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"give|leaves|within"):
        improvement_by_probability(**{"n_experiments": 2, **wrong})
    with pytest.raises(UserError, match="C"):
        improvement_by_probability(n_experiments=2, C=-1.0)
