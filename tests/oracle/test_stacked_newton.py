"""Stacks of logistic regressions against SciPy, finite differences and invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from lalbench.oracle import stacked_newton
from lalbench.oracle.stacked_newton import Stack, hessian, minimise, start_at_prior


def make(seed: int, n_problems: int, n: int, d: int, scale: float = 1.0, ratio: float = 1.0):
    rng = np.random.default_rng(seed)
    features = scale * rng.normal(size=(n_problems, n, d))
    rows = np.concatenate([features, np.ones((n_problems, n, 1))], axis=2) / 2
    targets = np.where(rng.random((n_problems, n)) < 0.3, 1.0, -1.0)
    targets[:, 0], targets[:, 1] = 1.0, -1.0
    weights = np.where(targets > 0, ratio, 1.0) * rng.uniform(0.5, 1.5, size=targets.shape)
    return Stack(rows, targets, weights)


def penalty_of(d: int, C: float = 1.0):
    return np.append(np.full(d, 1 / C), 0.0)


def objective(stack: Stack, which: int, penalty, theta) -> float:
    """The textbook form: Σ s log(1 + exp(-t θ·x)) + ½ Σ λ θ²."""
    margins = stack.targets[which] * (2 * stack.rows[which] @ theta)
    loss = stack.weights[which] @ np.logaddexp(0, -margins)
    return float(loss + 0.5 * penalty @ theta**2)


def gradient(stack: Stack, which: int, penalty, theta):
    x, t = 2 * stack.rows[which], stack.targets[which]
    wrong = 1 / (1 + np.exp(t * (x @ theta)))
    return -(stack.weights[which] * t * wrong) @ x + penalty * theta


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(2, 40),
    d=st.integers(1, 30),
    scale=st.sampled_from([0.01, 1.0, 30.0]),
    ratio=st.sampled_from([0.1, 1.0, 10.0, 1000.0]),
    C=st.sampled_from([1e-4, 1.0, 1e4]),
)
def test_gradient_vanishes_at_the_minimum(seed, n, d, scale, ratio, C):
    stack, penalty = make(seed, 3, n, d, scale, ratio), penalty_of(d, C)
    theta, converged = minimise(stack, penalty, start_at_prior(stack))
    assert converged.all()
    for which in range(3):
        sizes = stack.weights[which] @ np.abs(2 * stack.rows[which])
        left = gradient(stack, which, penalty, theta[which])
        assert np.all(np.abs(left) < 1e-9 * max(1.0, 1e-4 * sizes.max()))


@pytest.mark.parametrize(("n", "d", "ratio"), [(12, 3, 1.0), (30, 8, 10.0), (6, 9, 1.0)])
def test_minimum_is_scipys(n, d, ratio):
    stack, penalty = make(1, 4, n, d, ratio=ratio), penalty_of(d)
    theta, _ = minimise(stack, penalty, start_at_prior(stack))
    for which in range(4):
        found = minimize(
            lambda parameters, which=which: objective(stack, which, penalty, parameters),
            np.zeros(d + 1),
            jac=lambda parameters, which=which: gradient(stack, which, penalty, parameters),
            method="BFGS",
            options={"gtol": 1e-9},
        )
        np.testing.assert_allclose(theta[which], found.x, atol=1e-6)


def test_hessian_is_the_derivative_of_the_gradient():
    stack, penalty = make(2, 2, 15, 4), penalty_of(4)
    theta = np.random.default_rng(3).normal(size=(2, 5))
    curved = hessian(stack, penalty, np.tanh(stack.decisions(theta)))
    step = 1e-6
    for which in range(2):
        numeric = [
            (
                gradient(stack, which, penalty, theta[which] + step * unit)
                - gradient(stack, which, penalty, theta[which] - step * unit)
            )
            / (2 * step)
            for unit in np.eye(5)
        ]
        np.testing.assert_allclose(curved[which], numeric, atol=1e-7)


def test_problems_of_a_stack_do_not_touch_each_other():
    stack, penalty = make(4, 20, 25, 6, ratio=10), penalty_of(6)
    together, _ = minimise(stack, penalty, start_at_prior(stack))
    for which in range(20):
        one = stack.take(np.array([which]))
        alone, _ = minimise(one, penalty, start_at_prior(one))
        np.testing.assert_allclose(together[which], alone[0], atol=1e-8)


def test_weight_two_is_a_row_twice_and_weight_zero_no_row():
    stack, penalty = make(5, 1, 10, 3), penalty_of(3)
    weights = np.array([[2.0, 1, 1, 1, 0, 1, 1, 1, 1, 1]])
    repeated = np.array([0, 0, 1, 2, 3, 5, 6, 7, 8, 9])
    weighted = Stack(stack.rows, stack.targets, weights)
    copied = Stack(stack.rows[:, repeated], stack.targets[:, repeated], np.ones((1, 10)))
    first, _ = minimise(weighted, penalty, start_at_prior(weighted))
    second, _ = minimise(copied, penalty, start_at_prior(copied))
    np.testing.assert_allclose(first, second, atol=1e-9)


def test_result_does_not_depend_on_the_start():
    stack, penalty = make(6, 5, 30, 10, scale=3.0), penalty_of(10, 100.0)
    near, _ = minimise(stack, penalty, start_at_prior(stack))
    far, converged = minimise(stack, penalty, 20 * np.ones((5, 11)))
    assert converged.all()
    np.testing.assert_allclose(near, far, atol=1e-6)


def test_weights_scale_the_tolerance_with_the_problem():
    """Loss and penalty times 1e-6 have the same minimum; a fixed tolerance would stop far off."""
    stack, penalty = make(7, 3, 20, 5), penalty_of(5)
    tiny = Stack(stack.rows, stack.targets, 1e-6 * stack.weights)
    full, _ = minimise(stack, penalty, start_at_prior(stack))
    small, _ = minimise(tiny, 1e-6 * penalty, start_at_prior(tiny))
    np.testing.assert_allclose(small, full, atol=1e-7)


def test_full_steps_would_diverge_where_damped_ones_converge(monkeypatch):
    """The halving is needed: far from the optimum a full Newton step overshoots ever further."""
    stack, penalty = make(8, 3, 30, 5, ratio=10), penalty_of(5, 1e3)
    start = np.tile(np.append(np.full(5, 15.0), 0.0), (3, 1))
    _, converged = minimise(stack, penalty, start)
    assert converged.all()
    monkeypatch.setattr(stacked_newton, "_HALVINGS", 1)
    with np.errstate(all="ignore"):
        _, undamped = minimise(stack, penalty, start)
    assert not undamped.all()


def test_unconverged_problems_are_told(monkeypatch):
    monkeypatch.setattr(stacked_newton, "_STEPS", 2)
    stack = make(9, 4, 30, 5)
    _, converged = minimise(stack, penalty_of(5), start_at_prior(stack))
    assert not converged.any()
