"""``lbfgs_unscaled`` against its definition written out with loops, and published curves."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from lalbench import build_problem, classifiers
from lalbench.classifiers import lbfgs
from lalbench.classifiers.logistic import LogisticRegression
from lalbench.objectives import Scorer

FloatArray = NDArray[np.float64]


def naive_binary(
    theta: FloatArray, X: FloatArray, y: FloatArray, weights: FloatArray
) -> tuple[float, FloatArray]:
    """Σ_i s_i log(1 + exp(-y_i z_i)) + ½‖w‖² and its gradient, point by point; theta = [w, b]."""
    w, b = theta[:-1], theta[-1]
    value, gradient = 0.5 * float(w @ w), np.append(w, 0.0)
    for x, label, weight in zip(X, y, weights, strict=True):
        margin = label * (float(x @ w) + b)
        value += weight * (math.log1p(math.exp(-abs(margin))) + max(-margin, 0.0))
        wrong = (
            1 / (1 + math.exp(margin))
            if margin < 0
            else math.exp(-margin) / (1 + math.exp(-margin))
        )
        gradient -= weight * label * wrong * np.append(x, 1.0)
    return value, gradient


def naive_multinomial(
    theta: FloatArray, X: FloatArray, y: NDArray[np.int64], weights: FloatArray, C: float
) -> float:
    """-Σ_i s_i log softmax(W x_i + b)[y_i] + ‖W‖²/(2C) with plain exponentials."""
    parameters = theta.reshape(3, -1)
    value = 0.5 / C * float((parameters[:, :-1] ** 2).sum())
    for x, label, weight in zip(X, y, weights, strict=True):
        powers = [math.exp(float(row[:-1] @ x) + row[-1]) for row in parameters]
        value -= weight * math.log(powers[label] / sum(powers))
    return value


@pytest.mark.parametrize("seed", range(4))
def test_binary_stops_where_its_definition_stops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 8))
    y = np.where(X[:, 0] + rng.logistic(size=60) > 0.5, 1, 0)
    weights = np.where(y == 1, 20 / 11, 2 / 11)
    expected = minimize(
        naive_binary,
        np.zeros(9),
        args=(X, 2.0 * y - 1, weights),
        method="L-BFGS-B",
        jac=True,
        options={"gtol": 1e-4, "maxiter": 100},
    )
    found = LogisticRegression(solver="lbfgs_unscaled").fit(X, y, weights)
    assert found.n_iter_[0] == expected.nit
    np.testing.assert_allclose([*found.coef_[0], found.intercept_[0]], expected.x, rtol=1e-6)
    exact = LogisticRegression().fit(X, y, weights)
    difference = np.abs(found.coef_ - exact.coef_).max()
    assert 1e-9 < difference < 1e-2  # close to the optimum, but not at it: that is the point


def test_multinomial_stops_where_its_definition_stops() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(45, 4))
    y = rng.integers(0, 3, 45)
    weights = rng.uniform(0.5, 2, 45)
    seen: list[FloatArray] = []

    def numeric(theta: FloatArray) -> tuple[float, FloatArray]:
        steps = np.eye(len(theta)) * 1e-6
        rise = [
            naive_multinomial(theta + step, X, y, weights, 2.0)
            - naive_multinomial(theta - step, X, y, weights, 2.0)
            for step in steps
        ]
        seen.append(theta)
        return naive_multinomial(theta, X, y, weights, 2.0), np.array(rise) / 2e-6

    expected = minimize(
        numeric,
        np.zeros(15),
        method="L-BFGS-B",
        jac=True,
        options={"gtol": 1e-4, "maxiter": 500},
    )
    found = LogisticRegression(C=2.0, solver="lbfgs_unscaled").fit(X, y, weights)
    parameters = expected.x.reshape(3, -1)
    assert found.n_iter_[0] == expected.nit
    np.testing.assert_allclose(found.coef_, parameters[:, :-1], atol=1e-4)
    np.testing.assert_allclose(found.intercept_, parameters[:, -1], atol=1e-4)


def test_a_tight_tolerance_reaches_the_newton_optimum() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5))
    for n_classes in (2, 4):
        y = rng.integers(0, n_classes, 60)
        tight = LogisticRegression(solver="lbfgs_unscaled", C=0.3, tol=1e-10).fit(X, y)
        exact = LogisticRegression(C=0.3).fit(X, y)
        np.testing.assert_allclose(tight.coef_, exact.coef_, atol=1e-3)


def test_stopping_at_the_iteration_limit_warns() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5))
    y = rng.integers(0, 2, 60)
    with pytest.warns(UserWarning, match="stopped after 2 iterations"):
        LogisticRegression(solver="lbfgs_unscaled", max_iter=2).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression(solver="lbfgs_unscaled").fit(X, y)


def test_the_default_limit_is_100_and_500_for_more_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = []
    original = lbfgs.minimize

    def spy(*args: object, **kwargs: object) -> object:
        limits.append(kwargs["options"])
        return original(*args, **kwargs)

    monkeypatch.setattr(lbfgs, "minimize", spy)
    X = np.random.default_rng(0).normal(size=(30, 2))
    for n_classes in (2, 3):
        LogisticRegression(solver="lbfgs_unscaled").fit(X, np.arange(30) % n_classes)
    assert limits == [{"gtol": 1e-4, "maxiter": 100}, {"gtol": 1e-4, "maxiter": 500}]


# Single runs of the published protocol on waveform (made with scikit-learn 1.0.2): scores at steps
# 0 … 10 of uncertainty sampling, for a classifier, setting, data seed and seed.
CURVES = [
    (
        "logistic_regression balanced 42 43",
        "0.8550 0.8550 0.8500 0.8550 0.8350 0.8450 0.8500 0.8450 0.8600 0.8650 0.8650",
    ),
    (
        "logistic_regression imbalanced 43 44",
        "0.8066 0.8066 0.8066 0.8039 0.8039 0.8039 0.7762 0.8039 0.8066 0.7790 0.8066",
    ),
    (
        "logistic_regression imbalanced_weighted 44 42",
        "0.8287 0.8287 0.8260 0.8287 0.8287 0.8564 0.8564 0.8591 0.8508 0.8508 0.8508",
    ),
    (
        "svm balanced 42 43",
        "0.8750 0.8650 0.8650 0.8700 0.8750 0.8850 0.8850 0.8800 0.8800 0.8700 0.8750",
    ),
    (
        "svm imbalanced 43 44",
        "0.6685 0.6961 0.7238 0.7514 0.7790 0.7790 0.8066 0.8343 0.8343 0.8895 0.8619",
    ),
    (
        "svm imbalanced_weighted 44 42",
        "0.8066 0.8343 0.8343 0.8343 0.8564 0.8564 0.8564 0.8564 0.8564 0.8287 0.8011",
    ),
]


@pytest.mark.parametrize(("run", "expected"), CURVES, ids=[run for run, _ in CURVES])
def test_published_curves_step_by_step(run: str, expected: str, mirror: Path) -> None:
    """Every label that is acquired depends on where the solver stops."""
    name, setting, *seeds = run.split()
    data_seed, seed = map(int, seeds)
    problem = build_problem(
        "waveform", setting, data_seed=data_seed, seed=seed, protocol="published", mirror=mirror
    )
    blank = classifiers.get(name, protocol="published")
    scorer = Scorer(problem.X_test, problem.y_test, problem.class_weights)
    annotated, pool, scores = list(problem.annotated), list(problem.pool), []
    for _ in range(11):
        X, y = problem.X[annotated], problem.y[annotated]
        fitted = classifiers.fit(classifiers.clone(blank), X, y, problem.fit_weights)
        scores.append(scorer(fitted))
        if name == "svm":
            certainty = np.abs(classifiers.decision(fitted, problem.X[pool], 2))
        else:
            p = classifiers.probabilities(fitted, problem.X[pool], 2)
            certainty = (p * np.log(p + 1e-8)).sum(axis=1)
        annotated.append(pool.pop(int(certainty.argmin())))
    np.testing.assert_allclose(scores, [float(score) for score in expected.split()], atol=6e-5)
