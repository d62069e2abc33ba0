"""Machines all of whose coefficients are on a bound, against ``SVC``."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import SVC

from lalbench.oracle.svm_bounded import vote_bounded
from lalbench.oracle.svm_nodes import nodes_of
from lalbench.oracle.svm_pairs import _start

RBF, POLY, LINEAR = (2, 0.0, 3), (1, 1.0, 2), (0, 0.0, 3)
KERNELS = {RBF: "rbf", POLY: "poly", LINEAR: "linear"}
N_POINTS = 30


def pair_of(seed: int, p: int, c: int, C: float, options, spread: float):
    """A pair of p rows with equal bounds, a machine with each of c candidates, c without, points.

    Also the features of rows and candidates, and of the points.
    """
    rng = np.random.default_rng(seed)
    n, d = p + c, 6
    positive = np.arange(n) % 2 == 0
    X = rng.normal(size=(n, d)) + np.where(positive, 0.3, -0.3)[:, None]
    Z = rng.normal(size=(N_POINTS, d))
    if options == RBF:
        between = np.square(X[:p, None] - X[None]).sum(axis=2)
        toward = np.square(X[:, None] - Z[None]).sum(axis=2)
        itself, beyond = np.zeros(n), np.zeros(N_POINTS)
    else:
        between, toward = X[:p] @ X.T, X @ Z.T
        itself, beyond = np.square(X).sum(axis=1), np.square(Z).sum(axis=1)
    gammas = 1 / d * (1 + spread * rng.uniform(-1, 1, size=2 * c + 1))
    place = np.append(np.arange(p, n), np.full(c + 1, -1))
    problem = (
        options, between, itself, positive, np.full(n, C), np.arange(p), place, gammas, toward,
        beyond,
    )  # fmt: skip
    return problem, X, Z


def voted_of(problem, start=None):
    """Whether each machine got its votes, and the votes for the first and the second class."""
    t, p = len(problem[7]) - 1, len(problem[5])
    nodes, errors = nodes_of(*problem[0], problem[7][:t])
    states = np.empty((t + 1, p + 1))
    start = _start(problem, states) if start is None else start
    votes = np.zeros((2, t, N_POINTS), np.int16)
    ballots = (votes[0], votes[1], np.empty((0, 0)), np.empty((0, 0)), 0.0)
    done = vote_bounded(problem, nodes, errors, start, ballots, np.arange(t))
    return start, done, votes


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    half=st.integers(1, 12),
    C=st.sampled_from([2.0**-8, 2.0**-5, 0.25]),
    options=st.sampled_from(list(KERNELS)),
    spread=st.sampled_from([0.0, 0.02, 0.2]),
)
def test_votes_are_the_signs_of_svc(seed, half, C, options, spread):
    problem, X, Z = pair_of(seed, 2 * half, 5, C, options, spread)
    start, done, votes = voted_of(problem)
    if not start.all():
        return
    for job in np.flatnonzero(done):
        rows = np.arange(2 * half)
        if problem[6][job] >= 0:
            rows = np.append(rows, problem[6][job])
        svc = SVC(
            C=C, kernel=KERNELS[options], gamma=problem[7][job], coef0=options[1],
            degree=options[2], tol=1e-10,
        ).fit(X[rows], problem[3][rows])  # fmt: skip
        np.testing.assert_array_equal(votes[0, job], svc.decision_function(Z) > 0)
        np.testing.assert_array_equal(votes[0, job] + votes[1, job], 1)
    np.testing.assert_array_equal(votes[:, ~done], 0)


@pytest.mark.parametrize("options", list(KERNELS))
def test_nearly_all_with_small_bounds_are_decided(options):
    problem, *_ = pair_of(0, 20, 40, 2.0**-8, options, 0.02)
    start, done, _ = voted_of(problem)
    assert start.all()
    assert done[40:].mean() > 0.9  # without a candidate


def test_a_candidate_that_does_not_stay_at_zero_is_left_to_others():
    """With so small a bound, every candidate on the wrong side of its margin joins."""
    problem, X, _ = pair_of(0, 20, 40, 2.0**-8, RBF, 0.02)
    _, done, _ = voted_of(problem)
    for job in np.flatnonzero(done[:40]):
        rows = np.append(np.arange(20), problem[6][job])
        svc = SVC(C=2.0**-8, gamma=problem[7][job], tol=1e-10).fit(X[rows], problem[3][rows])
        assert 20 not in svc.support_
    assert not done[:40].all()


def test_coefficients_that_do_not_add_up_are_no_solution():
    problem, *_ = pair_of(0, 20, 5, 2.0**-8, RBF, 0.02)
    start, done, votes = voted_of(problem)
    assert done.any()
    wrong = start.copy()
    wrong[0] = -wrong[0]
    _, done, votes = voted_of(problem, wrong)
    assert not done.any()
    assert not votes.any()


def test_states_with_an_empty_interval_are_no_solution():
    """Large bounds: all rows at theirs would be far beyond their margins."""
    problem, *_ = pair_of(0, 20, 5, 64.0, RBF, 0.02)
    start = np.where(problem[3][:20], 1.0, -1.0)
    _, done, _ = voted_of(problem, start)
    assert not done.any()
