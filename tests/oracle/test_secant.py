"""Refits with one more row: each equals the joined problem solved on its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lalbench.oracle.secant import refine
from lalbench.oracle.stacked_newton import Stack, hessian, minimise, start_at_prior


def case(seed: int, n_problems: int, n: int, m: int, d: int, ratio: float):
    rng = np.random.default_rng(seed)

    def stack(rows: int) -> Stack:
        features = rng.normal(size=(n_problems, rows, d))
        targets = np.where(features[:, :, 0] + rng.normal(size=features.shape[:2]) > 0.8, 1.0, -1.0)
        if rows > 1:
            targets[:, 0], targets[:, 1] = 1.0, -1.0
        ones = np.ones((n_problems, rows, 1))
        weights = np.where(targets > 0, ratio, 1.0)
        return Stack(np.concatenate([features, ones], axis=2) / 2, targets, weights)

    return stack(n), stack(m), np.append(np.ones(d), 0.0)


def solved(shared: Stack, own: Stack, penalty, limit: int):
    theta, _ = minimise(shared, penalty, start_at_prior(shared))
    curved = hessian(shared, penalty, np.tanh(shared.decisions(theta)))
    tolerance = np.full(own.targets.shape, 1e-9)
    return theta, refine(shared, own, theta, np.linalg.inv(curved), penalty, tolerance, limit)


def joined(shared: Stack, own: Stack, e: int, j: int) -> Stack:
    return Stack(
        np.concatenate([shared.rows[e], own.rows[e, j : j + 1]])[None],
        np.append(shared.targets[e], own.targets[e, j])[None],
        np.append(shared.weights[e], own.weights[e, j])[None],
    )


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    n_problems=st.integers(1, 4),
    n=st.integers(2, 30),
    m=st.integers(1, 40),
    d=st.integers(1, 25),
    ratio=st.sampled_from([0.1, 1.0, 10.0]),
)
def test_converged_candidates_are_the_optima_of_the_joined_problems(
    seed, n_problems, n, m, d, ratio
):
    shared, own, penalty = case(seed, n_problems, n, m, d, ratio)
    _, (found, converged) = solved(shared, own, penalty, limit=30)
    for e in range(n_problems):
        for j in range(0, m, 7):
            problem = joined(shared, own, e, j)
            exact, _ = minimise(problem, penalty, start_at_prior(problem))
            assert np.isfinite(found[e, j]).all()
            if converged[e, j]:
                np.testing.assert_allclose(found[e, j], exact[0], atol=1e-6)


@pytest.mark.parametrize(("n", "d", "ratio"), [(100, 21, 1.0), (100, 21, 10.0), (50, 60, 1.0)])
def test_nearly_all_candidates_converge_cheaply(n, d, ratio):
    shared, own, penalty = case(0, 3, n, 200, d, ratio)
    _, (_, converged) = solved(shared, own, penalty, limit=24)
    assert converged.mean() > 0.95


def test_columns_keep_their_place_when_converged_ones_are_dropped():
    """A wide spread of difficulty forces several rounds of dropping."""
    shared, own, penalty = case(1, 2, 20, 600, 10, 1.0)
    factors = np.geomspace(0.01, 8.0, 600)[None, :, None] * np.append(np.ones(10), 0.0)
    own = Stack(own.rows * factors + (factors == 0) * 0.5, own.targets, own.weights)
    _, (found, converged) = solved(shared, own, penalty, limit=60)
    assert converged.mean() > 0.9
    for e, j in zip(*np.nonzero(converged), strict=True):
        problem = joined(shared, own, e, j)
        slopes = np.tanh(problem.decisions(found[e, j][None]))[0]
        left = (problem.weights[0] * (slopes - problem.targets[0])) @ problem.rows[0]
        assert np.linalg.norm(left + penalty * found[e, j]) < 1.1e-9


def test_a_weightless_row_leaves_the_optimum():
    shared, own, penalty = case(2, 2, 20, 5, 4, 1.0)
    own = Stack(own.rows, own.targets, np.zeros_like(own.weights))
    theta, (found, converged) = solved(shared, own, penalty, limit=5)
    assert converged.all()
    np.testing.assert_allclose(found, np.repeat(theta[:, None], 5, axis=1), atol=1e-9)


def test_the_first_guess_is_exact_where_the_shared_rows_have_no_curvature():
    """With almost weightless shared rows F is quadratic but for the own row: no step is needed.

    The intercept is penalised here, as nothing else would hold it.
    """
    shared, own, _ = case(3, 1, 4, 50, 6, 1.0)
    shared = Stack(shared.rows, shared.targets, 1e-13 * shared.weights)
    penalty = np.ones(7)
    theta, _ = minimise(shared, penalty, np.zeros((1, 7)))
    identity = np.eye(7)[None]
    found, converged = refine(
        shared, own, theta, identity, penalty, np.full((1, 50), 1e-9), limit=0
    )
    assert not converged.any()
    for j in range(50):
        problem = joined(shared, own, 0, j)
        exact, _ = minimise(problem, penalty, np.zeros((1, 7)))
        np.testing.assert_allclose(found[0, j], exact[0], atol=1e-6)
