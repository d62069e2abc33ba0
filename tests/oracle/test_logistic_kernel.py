"""The compiled refits: linear algebra, the base problem, columns of candidates, the certificate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from lalbench.oracle import logistic_base, logistic_kernel, logistic_refine, logistic_subsets
from lalbench.oracle.logistic_subsets import Points
from lalbench.oracle.stacked_newton import Stack, minimise, start_at_prior


def points_of(seed: int, n: int, d: int, ratio: float, C: float, scale: float = 1.0) -> Points:
    """n rows of two classes, some of them copies, and 50 evaluation points."""
    rng = np.random.default_rng(seed)
    features = scale * rng.normal(size=(n, d))
    features[n // 2 : n // 2 + n // 4] = features[: n // 4]
    targets = np.where(features[:, 0] / scale + rng.normal(size=n) > 0.5, 1.0, -1.0)
    targets[:2] = 1.0, -1.0
    evaluation = np.vstack([scale * rng.normal(size=(d, 50)), np.ones((1, 50))])
    penalty = np.append(np.full(d, 1 / C), 0.0)
    rows = np.column_stack([features, np.ones(n)])
    weights = np.where(targets > 0, ratio, 1.0)
    return Points(rows, targets, weights, evaluation, penalty, 1 / C, True)


def tight_decisions(points: Points, rows) -> np.ndarray:
    """By damped Newton steps from the prior, in the features."""
    stack = Stack(
        points.rows[rows][None] / 2, points.targets[rows][None], points.weights[rows][None]
    )
    theta, converged = minimise(stack, points.penalty, start_at_prior(stack))
    assert converged.all()
    return theta[0] @ points.evaluation


def refitted(points: Points, n_inside: int, signs_only: bool):
    n = len(points.rows)
    inside, outside = np.arange(n_inside), np.arange(n_inside, n)
    decisions = np.empty((n - n_inside + 1, points.evaluation.shape[1]))
    converged = np.empty(len(decisions), dtype=bool)
    ends = np.array([0, len(inside)]), np.array([0, len(outside)])
    logistic_subsets.refit_subsets(
        points, inside, ends[0], outside, ends[1], signs_only, 0.8, decisions, converged
    )
    return decisions, converged


@pytest.mark.parametrize("size", [1, 2, 7, 32, 40, 64, 131])
def test_cholesky_and_inverse(size):
    rows = np.random.default_rng(0).normal(size=(size + 5, size))
    matrix = rows.T @ rows
    upper, inverse = matrix.copy(), np.empty((size, size))
    assert logistic_base.cholesky(upper)
    upper = np.triu(upper)
    np.testing.assert_allclose(upper.T @ upper, matrix, rtol=1e-12, atol=1e-12)
    logistic_base.inverse_of_upper(upper, inverse)
    np.testing.assert_allclose(inverse @ upper, np.eye(size), atol=1e-10)


def test_cholesky_tells_what_is_not_positive():
    assert not logistic_base.cholesky(np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert not logistic_base.cholesky(np.array([[np.nan]]))


def test_span_of_rows_with_copies_and_sums():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5, 12))
    rows = np.vstack([rows, rows[:2], rows[0] - 3 * rows[1], np.zeros(12)])
    others = np.column_stack([rng.normal(size=(12, 4)), rows[2], np.zeros(12)])
    coordinates, pivots = logistic_base.span(rows @ rows.T)
    assert coordinates.shape == (9, 5)
    np.testing.assert_allclose(coordinates @ coordinates.T, rows @ rows.T, atol=1e-12)
    found = logistic_base.project(coordinates, pivots, rows @ others)
    np.testing.assert_allclose(coordinates @ found, rows @ others, atol=1e-12)
    np.testing.assert_allclose(found[:, 4], coordinates[2], atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(3, 60),
    d=st.integers(1, 30),
    ratio=st.sampled_from([0.1, 1.0, 100.0]),
    C=st.sampled_from([1e-3, 1.0, 1e4]),
    scale=st.sampled_from([0.1, 1.0, 10.0]),
)
def test_the_base_is_close_to_its_optimum(seed, n, d, ratio, C, scale):
    points = points_of(seed, n, d, ratio, C, scale)
    rows, theta = points.rows * points.targets[:, None], np.zeros(d + 1)
    success, margins, q, upper, _ = logistic_base.solve(rows, points.weights, points.penalty, theta)
    assert success
    np.testing.assert_allclose(margins, rows @ theta, atol=1e-9 * (1 + np.abs(margins).max()))
    np.testing.assert_allclose(q, expit(-margins), rtol=1e-9)
    curvature = points.weights * q * (1 - q)
    hessian = (rows.T * curvature) @ rows + np.diag(points.penalty)
    np.testing.assert_allclose(np.triu(upper).T @ np.triu(upper), hessian, rtol=1e-8, atol=1e-12)
    gradient = points.penalty * theta - (points.weights * q) @ rows
    decrement = gradient @ np.linalg.solve(hessian, gradient)
    assert np.sqrt(decrement) <= 1.01 * logistic_base.CLOSE


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(3, 40),
    d=st.integers(1, 50),
    ratio=st.sampled_from([0.1, 1.0, 10.0, 100.0]),
    C=st.sampled_from([1e-3, 1.0, 1e2]),
    scale=st.sampled_from([0.1, 1.0, 5.0]),
)
def test_decisions_are_those_of_the_joined_problems(seed, n, d, ratio, C, scale):
    points = points_of(seed, n + 12, d, ratio, C, scale)
    decisions, converged = refitted(points, n, signs_only=False)
    for k in np.flatnonzero(converged):
        rows = np.append(np.arange(n), [n + k - 1] if k else []).astype(int)
        expected = tight_decisions(points, rows)
        size = 1 + np.abs(expected).max()
        # 1e-9 of the gradient is up to C times that of the parameters
        np.testing.assert_allclose(decisions[k], expected, atol=1e-7 * max(1.0, C) * size)


@pytest.mark.parametrize(
    ("n", "d", "ratio"), [(100, 21, 1.0), (100, 21, 10.0), (50, 119, 1.0), (50, 119, 10.0)]
)
def test_nearly_all_refits_converge_in_the_kernel(n, d, ratio):
    points = points_of(0, n + 200, d, ratio, 1.0)
    for signs_only in (False, True):
        _, converged = refitted(points, n, signs_only)
        assert converged.mean() > 0.99


@pytest.mark.parametrize("signs_only", [False, True])
def test_a_weak_penalty_of_separable_rows_is_for_the_kernel(signs_only):
    """Margins of 10 and more: an approximate base, or the rounding of U⁻¹, would leave all over."""
    rng = np.random.default_rng(0)
    targets = np.where(rng.random(500) < 0.5, 1.0, -1.0)
    rows = np.column_stack([rng.normal(size=(500, 119)), np.ones(500)])
    rows[:, 0] += 3 * targets
    evaluation = rng.normal(size=(120, 50))
    penalty = np.append(np.full(119, 1e-4), 0.0)
    points = Points(rows, targets, np.ones(500), evaluation, penalty, 1e-4, True)
    decisions, converged = refitted(points, 300, signs_only)
    assert converged.mean() > 0.95
    for k in range(0, 200, 40):
        expected = tight_decisions(points, [*range(300), *([299 + k] if k else [])])
        if not signs_only:
            np.testing.assert_allclose(decisions[k], expected, atol=1e-5 * np.abs(expected).max())
        clear = np.abs(expected) > 1e-5 * np.abs(expected).max()
        np.testing.assert_array_equal(decisions[k][clear] > 0, expected[clear] > 0)


def test_a_correction_takes_the_rounding_of_the_factor_away():
    """θ is put off by 1e-5; steps from the gradient of the rows themselves lead back."""
    points = points_of(4, 60, 8, 1.0, 1.0)
    problem = logistic_subsets._as_given(points, np.arange(40), np.arange(40, 60))
    _, base = logistic_kernel._solved(problem, np.zeros(9))
    which = np.arange(20)
    own = logistic_kernel._own_rows(problem, base, which)
    delta = logistic_refine.first_guess(base.shared, own)
    logistic_refine.refine(base.shared, own, delta, base.scaled, 60)
    theta, outer = logistic_kernel._parameters(problem, base, delta)
    theta += 1e-5 * np.random.default_rng(0).normal(size=theta.shape)
    done, norms = np.zeros(20, dtype=bool), []
    for _ in range(4):
        gradient, kappa = logistic_kernel._gradient(problem, base, which, theta, outer, done)
        norms.append(np.linalg.norm(gradient, axis=0).max())
        logistic_kernel._correct(problem, base, own, gradient, kappa, done, theta, outer)
    assert norms[0] > 1e-5
    assert norms[-1] < 1e-2 * norms[0]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(3, 40),
    d=st.integers(1, 50),
    ratio=st.sampled_from([0.1, 1.0, 10.0, 1000.0]),
    C=st.sampled_from([1e-3, 1.0, 1e4]),
    scale=st.sampled_from([0.1, 1.0, 10.0]),
    closeness=st.sampled_from([1e-1, 1e-2, 1e-3, 1e-4, 1e-6]),
)
def test_certain_signs_are_those_of_the_optimum(seed, n, d, ratio, C, scale, closeness):
    """Evaluation points lie close to the decision boundaries of the very candidates.

    Decisions below 1e-7 (1 + C 1e-9) of the optimum's size are not compared: both solvers stop at a
    gradient of 1e-9, which leaves that much.
    """
    points = points_of(seed, n + 10, d, ratio, C, scale)
    for k in range(10):
        rows = np.append(np.arange(n), n + k)
        exact = tight_decisions(points._replace(evaluation=np.eye(d + 1)), rows)
        square = exact[:-1] @ exact[:-1]
        if square > 1e-12:  # move each fifth point to a decision of about the closeness
            chosen = points.evaluation[:-1, k::10]
            wanted = closeness * np.where(np.arange(chosen.shape[1]) % 2 > 0, 1.0, -1.0)
            chosen += np.outer(exact[:-1], wanted - exact[:-1] @ chosen - exact[-1]) / square
    decisions, converged = refitted(points, n, signs_only=True)
    for k in np.flatnonzero(converged):
        rows = np.append(np.arange(n), [n + k - 1] if k else []).astype(int)
        expected = tight_decisions(points, rows)
        clear = np.abs(expected) > 1e-7 * (1 + np.abs(expected).max()) * max(1.0, C)
        np.testing.assert_array_equal(decisions[k][clear] > 0, expected[clear] > 0)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(3, 30),
    d=st.integers(1, 12),
    ratio=st.sampled_from([0.1, 1.0, 100.0]),
    scale=st.sampled_from([0.3, 1.0, 5.0]),
    limit=st.integers(0, 4),
)
def test_the_certificate_bounds_the_way_to_the_optimum(seed, n, d, ratio, scale, limit):
    """After any number of steps: where ρr ≤ log 2 no decision is further off than r |e'|."""
    points = points_of(seed, n + 20, d, ratio, 1.0, scale)
    problem = logistic_subsets._as_given(points, np.arange(n), np.arange(n, n + 20))
    usable, base = logistic_kernel._solved(problem, np.zeros(d + 1))
    assert usable
    which = np.arange(20)
    own = logistic_kernel._own_rows(problem, base, which)
    delta = logistic_refine.first_guess(base.shared, own)
    logistic_refine.refine(base.shared, own, delta, 10.0**-limit, 40)
    # a tolerance that is met at once tells the norms and changes at these δ
    norms, changes = logistic_refine.refine(base.shared, own, delta, 1e300, 0)
    decisions = np.empty((20, 50))
    theta, outer = logistic_kernel._parameters(problem, base, delta)
    logistic_kernel._decide(problem, theta, outer, which, decisions)
    for k in which:
        radius = 2 * np.exp(changes[k]) * norms[k]
        if base.longest * radius <= np.log(2):
            off = np.abs(decisions[k] - tight_decisions(points, np.append(np.arange(n), n + k)))
            assert np.all(off <= radius * base.reach + 1e-8 * (1 + np.abs(decisions[k]).max()))


def test_a_row_of_weight_zero_leaves_the_optimum():
    points = points_of(2, 30, 4, 1.0, 1.0)
    points.weights[20:] = 0.0
    decisions, converged = refitted(points, 20, signs_only=False)
    assert converged.all()
    np.testing.assert_allclose(decisions, np.tile(decisions[0], (11, 1)), atol=1e-8)


def test_a_bad_condition_is_left_to_damped_newton():
    points = points_of(3, 40, 3, 1.0, 1e12)
    points.rows[:, 1] = points.rows[:, 0] * (1 + 1e-9)
    _, converged = refitted(points, 20, signs_only=True)
    assert not converged.any()
