"""The converged optimum: first-order conditions, scikit-learn, closed forms, hard cases."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression as Reference

from lalbench.classifiers import newton
from lalbench.classifiers.logistic import LogisticRegression
from lalbench.errors import NotConvergedError

FloatArray = NDArray[np.float64]


def problem(
    n: int, d: int, n_classes: int, seed: int, spread: float = 1.0
) -> tuple[FloatArray, NDArray[np.int64], FloatArray]:
    """Features, labels with every class, and weights between 0.1 and 10."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * spread
    truth = rng.normal(size=(d, n_classes)) / np.sqrt(d)
    y = (X @ truth + rng.gumbel(size=(n, n_classes))).argmax(axis=1)
    y[:n_classes] = np.arange(n_classes)
    return X, y, 10 ** rng.uniform(-1, 1, n)


def largest_gradient(
    classifier: LogisticRegression, X: FloatArray, y: FloatArray, weights: FloatArray
) -> float:
    """Largest entry of the gradient of Σ s loss + ‖w‖²/(2C), written out independently."""
    codes = np.searchsorted(classifier.classes_, y)
    if len(classifier.classes_) == 2:
        scores = X @ classifier.coef_[0] + classifier.intercept_[0]
        errors = (weights * (expit(scores) - codes))[:, None]
    else:
        scores = X @ classifier.coef_.T + classifier.intercept_
        targets = np.eye(len(classifier.classes_))[codes]
        errors = weights[:, None] * (softmax(scores, axis=1) - targets)
    by_weight = errors.T @ X + classifier.coef_ / classifier.C
    return max(np.abs(by_weight).max(), np.abs(errors.sum(axis=0)).max())


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(6, 60),
    d=st.integers(1, 80),
    n_classes=st.integers(2, 4),
    C=st.sampled_from([1e-3, 1.0, 1e3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_gradient_vanishes_below_1e9(
    n: int, d: int, n_classes: int, C: float, seed: int
) -> None:
    X, y, weights = problem(n, d, n_classes, seed)
    classifier = LogisticRegression(C=C).fit(X, y, weights)
    assert largest_gradient(classifier, X, y, weights) < 1e-9


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize(("n", "d"), [(100, 21), (40, 60)])
@pytest.mark.parametrize("C", [0.1, 1.0, 50.0])
def test_equals_scikit_learn_converged_tightly(n_classes: int, n: int, d: int, C: float) -> None:
    X, y, weights = problem(n, d, n_classes, seed=n + d)
    ours = LogisticRegression(C=C).fit(X, y, weights)
    theirs = Reference(C=C, tol=1e-12, max_iter=10_000, solver="newton-cg")
    theirs.fit(X, y, weights)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-7)
    np.testing.assert_allclose(
        ours.intercept_ - ours.intercept_.mean() * (n_classes > 2),
        theirs.intercept_ - theirs.intercept_.mean() * (n_classes > 2),
        atol=1e-7,
    )
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.intercept_.shape == theirs.intercept_.shape
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-8)


def test_an_irrelevant_feature_leaves_the_log_odds_of_the_weights() -> None:
    y = np.array([0, 0, 0, 1])
    classifier = LogisticRegression().fit(np.zeros((4, 1)), y, [1, 1, 1, 2])
    assert classifier.coef_[0, 0] == 0.0
    assert classifier.intercept_[0] == pytest.approx(np.log(2 / 3), abs=1e-12)
    labels = np.array([0, 1, 1, 2, 2, 2])
    several = LogisticRegression().fit(np.zeros((6, 1)), labels)
    np.testing.assert_allclose(several.predict_proba([[0.0]])[0], [1 / 6, 2 / 6, 3 / 6])
    assert several.intercept_.sum() == pytest.approx(0, abs=1e-12)


def test_two_mirrored_points_solve_a_scalar_equation() -> None:
    """Points -1 and +1 of either class: w = 2 expit(-w), b = 0."""
    classifier = LogisticRegression().fit([[-1.0], [1.0]], [0, 1])
    w = classifier.coef_[0, 0]
    assert w == pytest.approx(2 * expit(-w), abs=1e-9)
    assert classifier.intercept_[0] == pytest.approx(0, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_classes=st.integers(2, 3))
def test_weights_are_repetitions_and_zero_weights_absent_rows(seed: int, n_classes: int) -> None:
    X, y, _ = problem(30, 3, n_classes, seed)
    times = np.random.default_rng(seed).integers(0, 4, 30)
    times[:n_classes] = 1
    weighted = LogisticRegression().fit(X, y, times)
    repeated = LogisticRegression().fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-8)
    np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, atol=1e-8)


def test_more_features_than_rows_have_the_optimum_of_all_features() -> None:
    """The reduction to the span of the rows against the same problem solved in full."""
    for n_classes in (2, 3):
        X, y, weights = problem(20, 50, n_classes, seed=1)
        reduced = LogisticRegression(C=3.0).fit(X, y, weights)
        # a row of weight 0 per missing dimension makes n ≥ d without changing the optimum
        padded = np.vstack([X, np.eye(50)])
        full = LogisticRegression(C=3.0).fit(
            padded, np.append(y, np.zeros(50, dtype=int)), np.append(weights, np.zeros(50))
        )
        np.testing.assert_allclose(reduced.coef_, full.coef_, atol=1e-8)
        np.testing.assert_allclose(reduced.intercept_, full.intercept_, atol=1e-8)


def test_large_systems_are_solved_by_conjugate_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, weights = problem(80, 30, 4, seed=2)
    direct = LogisticRegression().fit(X, y, weights)
    monkeypatch.setattr(newton, "_DIRECT_SIZE", 0)
    iterative = LogisticRegression().fit(X, y, weights)
    assert largest_gradient(iterative, X, y, weights) < 1e-9
    np.testing.assert_allclose(iterative.coef_, direct.coef_, atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_classes=st.integers(2, 4),
    C=st.sampled_from([1e-2, 1.0, 1e3]),
    d=st.integers(1, 40),
)
def test_badly_scaled_and_separable_data_converge(
    seed: int, n_classes: int, C: float, d: int
) -> None:
    """Columns of sizes 0.01 … 10 000 with offsets; the optimum is a stationary point.

    The gradient is measured in the unit of each column, relative to what rounding leaves of it.
    """
    rng = np.random.default_rng(seed)
    X, y, weights = problem(30, d, n_classes, seed)
    X = X * 10 ** rng.uniform(-2, 4, d) + 10 ** rng.uniform(-2, 2) * rng.normal(size=d)
    classifier = LogisticRegression(C=C).fit(X, y, weights)
    scale = weights @ np.abs(X)
    spread = max(1.0, float((np.abs(X) @ np.abs(classifier.coef_).T).max()))
    largest = largest_gradient(classifier, X, y, weights)
    assert largest <= max(1e-9, 1e-13 * spread * scale.max())


def test_damping_saves_a_start_from_which_full_steps_diverge() -> None:
    X, y, weights = problem(40, 3, 2, seed=0)
    signs = np.where(y == 1, 1.0, -1.0)
    start = np.array([3.0, -3.0, 3.0, 3.0])
    rows, penalty = np.column_stack([X, np.ones(40)]), np.array([1.0, 1.0, 1.0, 0.0])
    theta = start.copy()
    for _ in range(5):
        p = expit(rows @ theta)
        hessian = (rows.T * (weights * p * (1 - p))) @ rows + np.diag(penalty)
        step = np.linalg.pinv(hessian) @ (rows.T @ (weights * (p - y)) + penalty * theta)
        theta = theta - step
    expected, intercept, _ = newton.fit_binary(X, signs, weights)
    assert not np.abs(theta).max() < 100
    found, _ = newton._minimise(newton._Binary(X, signs, weights, 1.0), start, 1e-9, 100)
    np.testing.assert_allclose(found, [*expected, intercept], atol=1e-8)


def test_an_unconverged_fit_is_an_error() -> None:
    X, y, weights = problem(50, 5, 2, seed=0)
    with pytest.raises(NotConvergedError, match="after 2 Newton steps"):
        LogisticRegression(max_iter=2).fit(X, y, weights)


def test_small_fits_are_fast() -> None:
    """100 rows of 21 features; the bound is five times what one core needs."""
    X, y, _ = problem(100, 21, 2, seed=0)
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        LogisticRegression().fit(X, y)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 2.5e-3


def test_many_classes_and_features_take_seconds_at_most() -> None:
    X, y, weights = problem(500, 300, 10, seed=0)
    started = time.perf_counter()
    classifier = LogisticRegression().fit(X, y, weights)
    assert time.perf_counter() - started < 10
    assert largest_gradient(classifier, X, y, weights) < 1e-9
