"""The sigmoid of margins: its slope against a plain search, and where likelihood has no maximum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import log_expit, log_softmax
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from lalbench.classifiers.folds import stratified_folds
from lalbench.classifiers.margins import fit_slope, soft_probabilities
from lalbench.errors import UserError


def blobs(distance: float, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    return rng.normal(size=(n, 2)) + distance * y[:, None], y


def held_out(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Margins of rows that were not trained on, positive where they are right."""
    folds, found = stratified_folds(y, 5), np.empty(len(y))
    for fold in range(5):
        fitted = SVC().fit(X[folds != fold], y[folds != fold])
        found[folds == fold] = fitted.decision_function(X[folds == fold])
    return np.where(y == 1, found, -found)


@pytest.mark.parametrize("distance", [0.5, 1.0, 1.5])
def test_the_slope_has_the_least_log_loss(distance: float) -> None:
    X, y = blobs(distance)
    own = held_out(X, y)
    assert (own < 0).any()
    grid = np.exp(np.linspace(-5, 7, 5001))
    losses = [-log_expit(slope * own).mean() for slope in grid]
    assert fit_slope(SVC(), X, y) == pytest.approx(grid[int(np.argmin(losses))], rel=5e-3)


def test_where_all_rows_are_right_the_slope_is_that_of_softened_labels() -> None:
    X, y = blobs(8.0)
    own = held_out(X, y)
    assert (own > 0).all()
    right = 41 / 42
    grid = np.exp(np.linspace(-5, 7, 5001))
    losses = [
        -(right * log_expit(slope * own) + (1 - right) * log_expit(-slope * own)).mean()
        for slope in grid
    ]
    found = fit_slope(SVC(), X, y)
    assert found == pytest.approx(grid[int(np.argmin(losses))], rel=5e-3)
    assert found < 10


def three(distance: float, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    y = np.arange(n) % 3
    return rng.normal(size=(n, 3)) + distance * np.eye(3)[y], y


@pytest.mark.parametrize("make", [SVC, LinearSVC])
def test_the_slope_of_several_classes_has_the_least_log_loss(make: Any) -> None:
    X, y = three(1.5)
    folds, values = stratified_folds(y, 5), np.empty((60, 3))
    for fold in range(5):
        fitted = make().fit(X[folds != fold], y[folds != fold])
        held = folds == fold
        if make is LinearSVC:
            values[held] = fitted.decision_function(X[held])
            continue
        fitted.decision_function_shape = "ovo"
        f01, f02, f12 = fitted.decision_function(X[held]).T
        values[held] = np.column_stack([f01 + f02, f12 - f01, -f02 - f12]) / 3
    grid = np.exp(np.linspace(-5, 7, 2001))
    losses = [-log_softmax(k * values, axis=1)[np.arange(60), y].mean() for k in grid]
    assert fit_slope(make(), X, y) == pytest.approx(grid[int(np.argmin(losses))], rel=1e-2)


@pytest.mark.parametrize("make", [SVC, LinearSVC, lambda: SVC(decision_function_shape="ovo")])
def test_a_sure_classifier_has_probabilities_of_one(make: Any) -> None:
    X, y = three(12.0)
    fitted = make().fit(X, y)
    found = soft_probabilities(fitted, X, 3, 50.0)
    assert np.array_equal(found.argmax(1), y)
    assert found.max(1).min() > 0.999
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-12)


@pytest.mark.parametrize("make", [SVC, LinearSVC])
def test_classes_that_were_not_seen_have_no_probability(make: Any) -> None:
    """Neither do they move those of the others, wherever the gap is."""
    X, y = three(1.5)
    plain = soft_probabilities(make().fit(X, y), X, 3, 2.0)
    names = np.array([0, 2, 3])
    found = soft_probabilities(make().fit(X, names[y]), X, 5, 2.0)
    np.testing.assert_allclose(found[:, names], plain, atol=1e-3)
    assert not found[:, [1, 4]].any()
    assert fit_slope(make(), X, names[y]) == pytest.approx(fit_slope(make(), X, y), rel=0.02)


def test_neither_probabilities_nor_margins() -> None:
    class Bare:
        classes_: Any = np.array([0, 1])

        def predict(self, X: Any) -> Any:
            return np.zeros(len(X), dtype=int)

    with pytest.raises(UserError, match="Bare gives neither probabilities nor decision values"):
        soft_probabilities(Bare(), np.zeros((3, 1)), 2, 1.0)
    X, y = blobs(1.0)
    fitted = DecisionTreeClassifier(random_state=0).fit(X, y)
    assert np.array_equal(soft_probabilities(fitted, X, 2, 1.0), fitted.predict_proba(X))
