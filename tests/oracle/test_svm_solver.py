"""The solver of the SVM engine against the optimality conditions of the dual problem."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import SVC

from lalbench.oracle.svm_lanes import LANES, solve_lanes
from lalbench.oracle.svm_smo import solve_one


def machine(seed: int, n: int, C: float, rank: int | None = None):
    """Kernel matrix, targets and bounds of n rows, both classes among them."""
    rng = np.random.default_rng(seed)
    y = np.append([1.0, -1.0], rng.choice([-1.0, 1.0], n - 2))
    X = rng.normal(size=(n, rank or 4)) + 0.4 * y[:, None]
    K = X @ X.T if rank else np.exp(-np.square(X[:, None] - X[None]).sum(axis=2) / 8)
    bounds = C * rng.choice([1.0, 10.0], n)
    return K, y, np.where(y > 0, 0.0, -bounds), np.where(y > 0, bounds, 0.0)


def violation(K, y, lo, hi, beta, bias):
    """The largest violation of the conditions of Karush, Kuhn and Tucker."""
    margin = y * (K @ beta + bias) - 1
    alpha, C = y * beta, np.maximum(hi, -lo)
    off = [abs(beta.sum()), max(0.0, -alpha.min()), max(0.0, (alpha - C).max())]
    off.append(max(0.0, -(margin[alpha < C]).min(initial=0.0)))
    off.append(max(0.0, (margin[alpha > 0]).max(initial=0.0)))
    return max(off)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(2, 40),
    C=st.sampled_from([0.01, 1.0, 100.0]),
    rank=st.sampled_from([None, None, 2]),
)
def test_solutions_satisfy_the_conditions(seed, n, C, rank):
    if rank and C > 1:
        C = 1.0
    K, y, lo, hi = machine(seed, n, C, rank)
    beta = np.zeros(n)
    bias, converged = solve_one(K, y, lo, hi, beta, 10**9)
    assert converged
    assert violation(K, y, lo, hi, beta, bias) < 1e-9


@pytest.mark.parametrize("C", [0.5, 20.0])
def test_the_objective_is_not_above_that_of_libsvm(C):
    K, y, lo, hi = machine(1, 50, C)
    beta = np.zeros(50)
    solve_one(K, y, lo, hi, beta, 10**9)
    weights = np.maximum(hi, -lo) / C
    theirs = SVC(C=C, kernel="precomputed", tol=1e-9).fit(K, y, weights)
    other = np.zeros(50)
    other[theirs.support_] = theirs.dual_coef_[0]

    def objective(values):
        return values @ K @ values / 2 - y @ values

    assert objective(beta) <= objective(other) + 1e-9
    assert objective(beta) == pytest.approx(objective(other), rel=1e-5)


def test_lanes_end_at_the_solution_from_any_guess_or_say_so():
    problems = [machine(seed, 20, 1.0) for seed in range(LANES)]
    K = np.ascontiguousarray(np.stack([p[0] for p in problems], axis=2))
    y, lo, hi = (
        np.ascontiguousarray(np.stack(part, axis=1))
        for part in list(zip(*problems, strict=True))[1:]
    )
    beta, bias, solved = np.empty((20, LANES)), np.empty(LANES), np.empty(LANES, bool)
    n_solved = 0
    for guess in np.random.default_rng(0).choice([-1.0, 0.0, 1.0], size=(20, 20, LANES)):
        solve_lanes(K, y, lo, hi, guess.copy(), beta, bias, solved)
        for lane in np.flatnonzero(solved):
            assert violation(*problems[lane], beta[:, lane], bias[lane]) < 1e-9
        n_solved += solved.sum()
    assert n_solved > 0.8 * 20 * LANES


def test_a_singular_lane_is_not_solved():
    K, y, lo, hi = machine(0, 12, 1.0)
    K[1:4] = K[1]
    K[:, 1:4] = K[:, 1:2]
    K[1:4, 1:4] = 1.0
    stacked = [
        np.ascontiguousarray(np.repeat(a[..., None], LANES, axis=-1)) for a in (K, y, lo, hi)
    ]
    solved = np.ones(LANES, bool)
    solve_lanes(*stacked, np.zeros((12, LANES)), np.empty((12, LANES)), np.empty(LANES), solved)
    beta = np.zeros(12)
    bias, converged = solve_one(K, y, lo, hi, beta, 10**9)
    assert converged
    assert violation(K, y, lo, hi, beta, bias) < 1e-9


def test_no_coefficient_inside_gives_the_middle_bias():
    """Two rows at distance 1 apart with C so small that both are at it: b = 0 by symmetry."""
    K = np.array([[1.0, 0.5], [0.5, 1.0]])
    y, hi, lo = np.array([1.0, -1.0]), np.array([0.25, 0.0]), np.array([0.0, -0.25])
    beta = np.zeros(2)
    bias, converged = solve_one(K, y, lo, hi, beta, 10**6)
    assert converged
    np.testing.assert_array_equal(beta, [0.25, -0.25])
    assert bias == 0.0


def test_too_little_work_is_told():
    K, y, lo, hi = machine(2, 30, 1.0)
    assert not solve_one(K, y, lo, hi, np.zeros(30), 60)[1]
