"""Approximate machines of the SVM engine: nodes of γ, tableaus, their path, and the certificate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lalbench.oracle.svm_certificate import doubts_of, reach_of
from lalbench.oracle.svm_neighbours import _decide, _prepare, _solve_some
from lalbench.oracle.svm_nodes import nodes_of, windows_of
from lalbench.oracle.svm_pairs import _start
from lalbench.oracle.svm_smo import solve_one

LINEAR, POLY, RBF = 0, 1, 2


def pair_of(seed: int, p: int, c: int, C: float, options, spread: float, d: int = 3):
    """The problem of a pair of p rows, with c candidates, c machines without, and 20 points."""
    rng = np.random.default_rng(seed)
    n = p + c
    positive = np.arange(n) % 2 == 0
    X = rng.normal(size=(n, d)) + np.where(positive, 0.5, -0.5)[:, None]
    Z = rng.normal(size=(20, d))
    if options[0] == RBF:
        between = np.square(X[:p, None] - X[None]).sum(axis=2)
        toward = np.square(X[:, None] - Z[None]).sum(axis=2)
        itself, beyond = np.zeros(n), np.zeros(20)
    else:
        between, toward = X[:p] @ X.T, X @ Z.T
        itself, beyond = np.square(X).sum(axis=1), np.square(Z).sum(axis=1)
    bounds = C * rng.uniform(0.5, 2, size=n)
    gammas = 1 / d * (1 + spread * rng.uniform(-1, 1, size=2 * c + 1))
    place = np.append(np.arange(p, n), np.full(c + 1, -1))
    return (
        options, between, itself, positive, bounds, np.arange(p), place, gammas, toward, beyond,
    )  # fmt: skip


def kernel(options, values, gamma):
    kind, coef0, degree = options
    if kind == RBF:
        return np.exp(-gamma * values)
    return values if kind == LINEAR else (gamma * values + coef0) ** degree


def exact(problem, job, single=True):
    """Coefficients, bias and decisions of one job at the optimum; None where pairs have no end."""
    options, between, itself, positive, bounds, inside, place, gammas, toward, _ = problem
    rows = inside if place[job] < 0 else np.append(inside, place[job])
    values = np.empty((len(rows), len(rows)))
    values[: len(inside)] = between[:, rows]
    if place[job] >= 0:
        values[-1, :-1], values[-1, -1] = between[:, place[job]], itself[place[job]]
    K = kernel(options, values, gammas[job])
    K = K.astype(np.float32).astype(float) if single else K
    y = np.where(positive[rows], 1.0, -1.0)
    hi, lo = np.where(y > 0, bounds[rows], 0.0), np.where(y > 0, 0.0, -bounds[rows])
    beta = np.zeros(len(rows))
    bias, converged = solve_one(K, y, lo, hi, beta, 10**7)
    if not converged:
        return None
    return beta, bias, kernel(options, toward[rows].T, gammas[job]) @ beta + bias


def approximate(problem):
    """All that the engine finds for the jobs by the tableau; None where there is none."""
    options, gammas = problem[0], problem[7]
    nodes, errors = nodes_of(*options, gammas)
    states = np.empty((len(gammas), len(problem[5]) + 1))
    start = _start(problem, states)
    order, targets, kernels, tableau = _prepare(problem, nodes, start, states)
    if not len(tableau[1]):
        return None
    which = np.arange(len(gammas))
    k, beta, norms = _solve_some(problem, nodes, order, tableau, which, states)
    values = _decide(problem, nodes, tableau, kernels, which, k, beta)
    doubts = doubts_of(
        problem, which, tableau, targets[0], k, beta, values, norms, errors, reach_of(problem)
    )
    return order, tableau, kernels, nodes, states, beta, norms, values, doubts


@pytest.mark.parametrize("spread", [0.01, 0.05, 0.3])
def test_interpolation_keeps_its_error_bound(spread):
    gammas = np.linspace(0.05, 0.05 * (1 + spread), 7)
    nodes, errors = nodes_of(RBF, 0.0, 3, gammas)
    assert len(nodes)
    D = np.linspace(0, 400, 4001)
    for gamma, error in zip(gammas, errors, strict=True):
        shares = [np.prod([(gamma - b) / (a - b) for b in nodes if b != a]) for a in nodes]
        approximation = sum(s * np.exp(-a * D) for s, a in zip(shares, nodes, strict=True))
        assert np.abs(approximation - np.exp(-gamma * D)).max() <= error


def test_nodes_are_equidistant_and_polynomials_need_no_more_than_their_degree():
    gammas = np.array([0.1, 0.12, 0.15])
    for kind, degree, expected in ((RBF, 3, None), (POLY, 2, 3), (POLY, 5, 6)):
        nodes, errors = nodes_of(kind, 1.0, degree, gammas)
        np.testing.assert_allclose(np.diff(nodes), np.diff(nodes)[0], rtol=1e-9)
        assert expected in (None, len(nodes))
        assert kind == RBF or errors.max() < 1e-12
    assert len(nodes_of(POLY, 1.0, 9, gammas)[0]) == 0
    assert len(nodes_of(POLY, -1.0, 2, gammas)[0]) == 0
    assert len(nodes_of(RBF, 0.0, 3, np.array([0.01, 1.0]))[0]) == 0


@pytest.mark.parametrize("n", [3, 700])
def test_windows_hold_every_machine_once_and_similar_gammas(n):
    gammas = np.random.default_rng(n).lognormal(sigma=0.5, size=n)
    windows = windows_of(gammas)
    np.testing.assert_array_equal(np.sort(np.concatenate(windows)), np.arange(n))
    ratio = max(gammas[w].max() / gammas[w].min() for w in windows)
    assert ratio <= (1.6 if n < 500 else 1.13)
    ends = [gammas[w].max() for w in windows]
    assert ends == sorted(ends)


def test_the_tableau_is_the_principal_pivot_transform():
    """Against the inverse and Schur complement of NumPy, at one γ."""
    problem = pair_of(1, 12, 1, 2.0, (RBF, 0.0, 3), 0.0)
    order, tableau, kernels, nodes, *_ = approximate(problem)
    n_free, columns, z, state, box, _, norm = tableau
    assert len(nodes) == 1
    assert 2 < n_free < 12
    free = np.arange(13) <= n_free
    M = np.array(kernels[:, :13])
    M[n_free] = M[:, n_free] = 1.0
    M[n_free, n_free] = 0.0
    inverse, across = np.linalg.inv(M[: n_free + 1, : n_free + 1]), M[: n_free + 1, n_free + 1 :]
    T = np.block([
        [inverse, -inverse @ across],
        [across.T @ inverse, M[n_free + 1:, n_free + 1:] - across.T @ inverse @ across],
    ])  # fmt: skip
    np.testing.assert_allclose(columns[:, :13].T, T, atol=1e-10)
    assert norm >= np.linalg.eigvalsh(inverse[:-1, :-1]).max()
    y = np.insert(np.where(problem[3][order], 1.0, -1.0), n_free, 0.0)
    fixed = np.where(state[:13] < 0, box[0, :13], box[1, :13]) * ~free
    e = M @ fixed - y
    expected = np.concatenate([-inverse @ e[free], e[~free] - across.T @ inverse @ e[free]])
    np.testing.assert_allclose(z[0, :13], expected, atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    p=st.integers(4, 40),
    C=st.sampled_from([0.05, 0.5, 2.0, 50.0]),
    options=st.sampled_from([(RBF, 0.0, 3), (POLY, 1.0, 2), (POLY, 0.5, 3), (LINEAR, 0.0, 3)]),
    spread=st.sampled_from([0.0, 0.01, 0.1]),
)
def test_no_decision_is_wrong_by_more_than_the_certificate_says(seed, p, C, options, spread):
    problem = pair_of(seed, p, 6, C, options, spread, d=12)
    found = approximate(problem)
    if found is None:
        return
    *_, values, doubts = found
    for job in np.flatnonzero(doubts < np.inf):
        solution = exact(problem, job)
        if solution is not None:
            assert np.abs(values[job, p + 1 :] - solution[2]).max() <= doubts[job]


@pytest.mark.parametrize("C", [0.5, 5.0])
def test_the_path_ends_at_the_states_of_the_optimum(C):
    """Where only γ's node is used, coefficients and bias are the optimum's to rounding."""
    moved = endless = 0
    for seed in range(20):
        problem = pair_of(seed, 20, 5, C, (RBF, 0.0, 3), 0.0)
        order, tableau, _, _, states, beta, norms, _, _ = approximate(problem)
        n_free, before = tableau[0], tableau[3]
        for job in range(5):
            expected, bias, _ = exact(problem, job, single=False)
            if norms[job] < 0:  # no end of the path
                endless += 1
                continue
            positions = np.arange(21) + (np.arange(21) >= n_free)
            own = np.append(order, 20)
            np.testing.assert_allclose(beta[job][positions], expected[own], atol=1e-8)
            assert beta[job][n_free] == pytest.approx(bias, abs=1e-8)
            moved += np.count_nonzero(states[job][order] != before[positions[:-1]])
    assert moved > 20
    assert endless < 10  # of 100


def test_the_bound_of_the_inverse_holds_where_rows_join_and_leave():
    joined = 0
    for seed in range(20):
        problem = pair_of(seed, 20, 5, 1.0, (RBF, 0.0, 3), 0.0)
        _, tableau, _, _, states, _, norms, _, _ = approximate(problem)
        between, gammas = problem[1], problem[7]
        for job in range(5):
            rows = np.append(np.arange(20), problem[6][job])
            values = np.zeros((21, 21))
            values[:20] = between[:, rows]
            values[20, :20] = between[:, rows[20]]
            free = states[job] == 0.0
            if norms[job] < 0:  # no end of the path
                continue
            M = np.ones((free.sum() + 1, free.sum() + 1))
            M[-1, -1] = 0.0
            M[:-1, :-1] = np.exp(-gammas[job] * values)[np.ix_(free, free)]
            assert norms[job] >= np.linalg.eigvalsh(np.linalg.inv(M)[:-1, :-1]).max() - 1e-9
            joined += free.sum() > tableau[0]
    assert joined > 20


def test_most_machines_near_a_solution_are_certain():
    problem = pair_of(3, 40, 30, 1.0, (RBF, 0.0, 3), 0.02)
    values, doubts = approximate(problem)[-2:]
    certain = np.abs(values[:, 41:]).min(axis=1) > doubts
    assert certain.mean() > 0.8
