"""Kapoor: the criterion, the Gaussian process, its hyperparameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.spatial.distance import pdist
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel

from lalbench.errors import UserError
from lalbench.strategies.base import LearningState
from lalbench.strategies.kapoor import Kapoor, hyperparameters, log_likelihood

Make = Callable[..., LearningState]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def posterior(state: LearningState, length: float, noise: float) -> tuple[Any, Any]:
    """Means and variances at the pool, by the formulas with an inverse."""

    def kernel(A: Any, B: Any) -> Any:
        return np.array([[np.exp(-((a - b) ** 2).sum() / (2 * length**2)) for b in B] for a in A])

    known, y = state.X_annotated, 2.0 * state.y_annotated - 1.0
    inverse = np.linalg.inv(kernel(known, known) + noise * np.eye(len(known)))
    cross = kernel(state.X_pool, known)
    return cross @ inverse @ y, 1.0 - np.array([k @ inverse @ k for k in cross])


def with_points(state: LearningState, known: Any, y: Any, pool: Any) -> LearningState:
    ids = {"annotated_ids": np.arange(len(y)), "pool_ids": 100 + np.arange(len(pool))}
    points = {"X_annotated": np.array(known, float), "X_pool": np.array(pool, float)}
    return replace(state, y_annotated=np.array(y), **points, **ids)


def fitted(state: LearningState) -> tuple[float, float]:
    return hyperparameters(state.X_annotated, 2.0 * state.y_annotated - 1.0)


def test_equal_variances_leave_the_margin_to_the_sign(make_state: Make) -> None:
    corners = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    state = with_points(make_state(), corners, [1, 1, 0, 1], 0.6 * corners[:3])
    means, variances = posterior(state, *fitted(state))
    np.testing.assert_allclose(variances, variances[0], rtol=1e-12)
    margins = np.abs(means)
    assert np.diff(np.sort(margins)).min() > 0.01
    found = Kapoor().select(state, 3, rng())
    assert found.indices.tolist() == np.argsort(margins).tolist()


def test_of_equal_means_the_larger_variance(make_state: Make) -> None:
    known = [[-1.0, 0.0], [1.0, 0.0]]
    state = with_points(make_state(), known, [1, 1], [[0.0, 0.0]])
    length, noise = fitted(state)

    def mean(*point: float) -> float:
        return float(posterior(with_points(state, known, [1, 1], [point]), length, noise)[0][0])

    beside = brentq(lambda y: mean(0.0, y) - mean(1.5, 0.0), 0.0, 10.0, xtol=1e-14)
    state = with_points(state, known, [1, 1], [[1.5, 0.0], [0.0, beside]])
    means, variances = posterior(state, length, noise)
    np.testing.assert_allclose(means[0], means[1], rtol=1e-10)
    assert abs(variances[0] - variances[1]) > 0.01
    assert Kapoor().select(state, 1, rng()).indices.tolist() == [int(variances.argmax())]


@pytest.mark.parametrize("n_annotated", [2, 9, 10, 40])
def test_scores_equal_the_formulas_and_scikit_learn(n_annotated: int, make_state: Make) -> None:
    for seed in range(3):
        state = make_state(n_annotated=n_annotated, seed=seed)
        length, noise = fitted(state)
        means, variances = posterior(state, length, noise)
        found = Kapoor().select(state, 30, rng())
        np.testing.assert_allclose(
            found.scores, -np.abs(means) / np.sqrt(variances + noise), rtol=1e-7
        )
        peer = GaussianProcessRegressor(RBF(length) + WhiteKernel(noise), optimizer=None)
        peer.fit(state.X_annotated, 2.0 * state.y_annotated - 1.0)
        mean, deviation = peer.predict(state.X_pool, return_std=True)  # noise included
        np.testing.assert_allclose(found.scores, -np.abs(mean) / deviation, rtol=1e-7)
        assert found.indices.tolist() == np.argsort(np.abs(mean) / deviation).tolist()


@pytest.mark.parametrize(("length", "noise"), [(0.5, 1e-3), (1.5, 0.1), (20.0, 2.0)])
def test_likelihood_and_gradient_equal_those_of_scikit_learn(
    length: float, noise: float, make_state: Make
) -> None:
    state = make_state(n_annotated=25)
    y = 2.0 * state.y_annotated - 1.0
    peer = GaussianProcessRegressor(RBF(1.0) + WhiteKernel(1.0), optimizer=None, alpha=0.0)
    peer.fit(state.X_annotated, y)
    expected, slope = peer.log_marginal_likelihood(np.log([length, noise]), eval_gradient=True)
    squares = ((state.X_annotated[:, None] - state.X_annotated) ** 2).sum(axis=2)
    found = log_likelihood(squares, y, length, noise)
    assert found[0] == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(found[1], slope, rtol=1e-7)


@pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")
def test_no_restart_of_scikit_learn_finds_a_larger_likelihood(make_state: Make) -> None:
    for seed in range(5):
        state = make_state(n_annotated=24, seed=seed)
        y = 2.0 * state.y_annotated - 1.0
        median = float(np.median(pdist(state.X_annotated)))
        kernel = RBF(median, (0.01 * median, 100 * median)) + WhiteKernel(0.1, (1e-3, 10.0))
        peer = GaussianProcessRegressor(kernel, n_restarts_optimizer=8, random_state=0, alpha=0.0)
        best = peer.fit(state.X_annotated, y).log_marginal_likelihood_value_
        length, noise = fitted(state)
        assert noise >= 1e-3
        assert peer.log_marginal_likelihood(np.log([length, noise])) > best - 1e-4


def test_few_points_have_their_median_distance_as_length(make_state: Make) -> None:
    for n_annotated in (2, 5, 9):
        state = make_state(n_annotated=n_annotated)
        assert fitted(state)[0] == pytest.approx(np.median(pdist(state.X_annotated)), rel=1e-12)
    state = make_state(n_annotated=10)
    assert fitted(state)[0] != pytest.approx(np.median(pdist(state.X_annotated)), rel=1e-3)
    copies = np.repeat([[0.0], [3.0]], 3, axis=0)  # only different points count
    assert hyperparameters(copies, np.array([1.0, 1, 1, -1, -1, -1]))[0] == pytest.approx(3.0)
    assert hyperparameters(np.zeros((4, 2)), np.array([1.0, 1.0, -1.0, 1.0]))[0] == 1.0


def test_the_noise_follows_the_labels() -> None:
    clean = np.repeat([-1.0, 1.0], 15)
    heaps = 5 * clean[:, None]
    assert hyperparameters(heaps, clean)[1] == pytest.approx(1e-3)
    wrong = clean * np.where(np.arange(30) % 3 == 0, -1.0, 1.0)
    within = np.var(wrong[:15], ddof=1)  # what nothing but noise can explain
    assert hyperparameters(heaps, wrong)[1] == pytest.approx(within, rel=0.01)


def test_order_and_names_of_classes_change_nothing(make_state: Make) -> None:
    for n_annotated in (6, 20):
        state = make_state(n_pool=50, n_annotated=n_annotated)
        expected = Kapoor().scores(state)
        order = rng(1).permutation(n_annotated)
        shuffled = replace(
            state,
            X_annotated=state.X_annotated[order],
            y_annotated=state.y_annotated[order],
            annotated_ids=state.annotated_ids[order],
        )
        np.testing.assert_array_equal(Kapoor().scores(shuffled), expected)
        renamed = replace(state, y_annotated=1 - state.y_annotated)
        np.testing.assert_allclose(Kapoor().scores(renamed), expected, rtol=1e-10)
        order = rng(2).permutation(50)
        moved = replace(state, X_pool=state.X_pool[order], pool_ids=state.pool_ids[order])
        np.testing.assert_array_equal(Kapoor().scores(moved), expected[order])


def test_more_than_two_classes_are_refused(make_state: Make) -> None:
    message = "kapoor knows two classes, and the problem has 3; use quire"
    with pytest.raises(UserError, match=message):
        Kapoor().select(make_state(n_classes=3, n_annotated=21), 1, rng())
