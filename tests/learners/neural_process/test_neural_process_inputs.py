"""Scaling and refits against loops written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.linear_model import LogisticRegression

from lalbench.learners.neural_process import InputScaler, Refits
from lalbench.objectives import Scorer

TABLES = npst.arrays(
    np.float64,
    npst.array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.floats(-1e6, 1e6, width=32),
)


@settings(deadline=None)
@given(TABLES)
def test_scaling_per_feature_fills_minus_one_to_one(X: np.ndarray) -> None:
    scaled = InputScaler.fit(X, "per_feature")(X)
    constant = X.max(axis=0) == X.min(axis=0)
    np.testing.assert_allclose(scaled[:, constant], 0.0, atol=1e-9)
    np.testing.assert_allclose(scaled.max(axis=0)[~constant], 1.0, atol=1e-6)
    np.testing.assert_allclose(scaled.min(axis=0)[~constant], -1.0, atol=1e-6)


@settings(deadline=None)
@given(TABLES)
def test_global_divisor_is_the_largest_absolute_value(X: np.ndarray) -> None:
    largest = np.abs(X).max()
    expected = X / largest if largest > 0 else X
    np.testing.assert_array_equal(InputScaler.fit(X, "global_divisor")(X), expected)


class Setup:
    def __init__(self, objective: str = "weighted_accuracy") -> None:
        rng = np.random.default_rng(0)
        self.X = rng.normal(size=(14, 3))
        self.y = np.array([0] * 4 + [1] * 6 + [2] * 4)
        reward_y = np.tile([0, 1, 2], 10)
        self.scorer = Scorer(rng.normal(size=(30, 3)), reward_y, np.array([2.0, 0.5, 1]), objective)
        self.weights = np.array([2.0, 0.5, 1.0])
        self.refits = Refits(self.X, self.y, self.new, self.weights, 3)
        self.member = np.zeros((3, 14), dtype=bool)
        self.member[0, [0, 1, 5, 6]] = True
        self.member[1, [0, 5]] = True  # without either of them one class is left
        self.member[2, 2:13] = True

    @staticmethod
    def new() -> LogisticRegression:
        return LogisticRegression(tol=1e-10)

    def fitted(self, inside: np.ndarray) -> LogisticRegression:
        y = self.y[inside]
        return self.new().fit(self.X[inside], y, sample_weight=self.weights[y])


def test_probabilities_are_those_of_refits() -> None:
    setup = Setup()
    found = setup.refits.probabilities(setup.member)
    assert found.shape == (3, 14, 3)
    for row, inside in enumerate(setup.member):
        classifier = setup.fitted(inside)
        expected = np.zeros((14, 3))
        expected[:, classifier.classes_] = classifier.predict_proba(setup.X)
        np.testing.assert_allclose(found[row], expected)


@pytest.mark.parametrize("objective", ["weighted_accuracy", "log_loss"])
def test_leave_one_out_is_score_with_minus_score_without(objective: str) -> None:
    setup = Setup(objective)
    scores = np.array([setup.scorer(setup.fitted(inside)) for inside in setup.member])
    found = setup.refits.leave_one_out(setup.member, scores, setup.scorer)
    assert not found[~setup.member].any()
    for row in (0, 2):
        for point in np.flatnonzero(setup.member[row]):
            rest = setup.member[row] & (np.arange(14) != point)
            expected = scores[row] - setup.scorer(setup.fitted(rest))
            assert found[row, point] == pytest.approx(expected, abs=1e-12)
    assert np.abs(found).max() > 0


def test_leave_one_out_of_the_last_point_of_a_class() -> None:
    """The rest holds one class, which is what it predicts everywhere."""
    setup = Setup()
    scores = np.array([setup.scorer(setup.fitted(inside)) for inside in setup.member])
    found = setup.refits.leave_one_out(setup.member, scores, setup.scorer)
    # weights 2, 0.5, 1 on ten reward points each
    assert found[1, 5] == pytest.approx(scores[1] - 20 / 35)
    assert found[1, 0] == pytest.approx(scores[1] - 5 / 35)
