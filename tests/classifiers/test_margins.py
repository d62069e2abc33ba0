"""The sigmoid of margins: its slope against a plain search, and where likelihood has no maximum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import log_expit
from sklearn.svm import SVC
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
