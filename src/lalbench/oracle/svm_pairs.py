"""Compiled: the machine of one pair of classes, refitted with each of many candidates."""

from __future__ import annotations

import numpy as np
from numba import njit

from lalbench.oracle.svm_lanes import kernel, kernel_lanes, solve_lanes
from lalbench.oracle.svm_smo import solve_one

_LANES = 32
_CACHED = 2**17
"""Values of kernel matrices that stay in the cache."""
_WORK, _MUCH_WORK = 10**6, 10**8


@njit(cache=True, error_model="numpy")
def refit_pair(options, between, itself, positive, bounds, inside, place, gammas, C, complete):
    """Solutions of the machine of a pair for each of t jobs.

    Args:
        options, between, itself, bounds: as in :func:`lalbench.oracle.svm_refits.refit_subset`.
        positive: (n,) bool, rows of the first class.
        inside: (p,) row numbers of the pair in the subset.
        place: (t,) row number of the candidate that joins, or -1.
        gammas: (t,) γ.
        C: (2, t) class weights of the two classes.
        complete: both classes are inside, and the last job is that of the subset itself.

    Returns:
        (t, p + 1) coefficients, last that of the candidate; (t,) biases; number of jobs not solved.
    """
    t, p = len(gammas), len(inside)
    problem = options, between, itself, positive, bounds, inside, place, gammas, C
    beta, bias = np.zeros((t, p + 1)), np.zeros(t)
    if not complete:
        failed = 0
        for job in range(t):
            failed += _solve_group(problem, np.array([job]), beta[0], 0.0, False, beta, bias)
        return beta, bias, failed
    start = np.zeros(p + 1)
    failed = _solve_group(problem, np.array([t - 1]), start, 0.0, False, beta, bias)
    start[:] = beta[t - 1]
    for joining in (False, True):
        jobs = np.flatnonzero((place >= 0) == joining)
        if not joining:
            same = (gammas[jobs] == gammas[t - 1]) & (C[0][jobs] == C[0, t - 1])
            same &= C[1][jobs] == C[1, t - 1]
            for job in jobs[same]:
                beta[job], bias[job] = start, bias[t - 1]
            jobs = jobs[~same]
        if len(jobs) == 0:
            continue
        n = p + 1 if joining else p
        n_groups = -(-len(jobs) // max(8, min(_LANES, _CACHED // (n * n))))
        size = -(-len(jobs) // n_groups)
        for first in range(0, len(jobs), size):
            group = jobs[first : first + size]
            failed += _solve_group(problem, group, start, bias[t - 1], True, beta, bias)
    return beta, bias, failed


@njit(cache=True, error_model="numpy")
def _solve_group(problem, group, start, start_bias, warm, beta, bias):
    """Solves jobs that all have a candidate, or all none; returns how many it could not solve."""
    inside, place = problem[5], problem[6]
    p = len(inside)
    n = p + 1 if place[group[0]] >= 0 else p
    # whole vectors: the last job fills the rest
    width = -(-len(group) // 8) * 8 if warm else 1
    jobs = np.full(width, group[-1])
    jobs[: len(group)] = group
    K = np.empty((n, n, width))
    y, lo, hi = np.empty((n, width)), np.empty((n, width)), np.empty((n, width))
    _prepare(problem, jobs, K, y, lo, hi)
    found, solved = np.empty((n, width)), np.zeros(width, np.bool_)
    found_bias = np.empty(width)
    if warm:
        state = _first_guess(K, y, lo, hi, start, start_bias, p)
        solve_lanes(K, y, lo, hi, state, found, found_bias, solved)
    failed = 0
    for lane in range(len(group)):
        job = jobs[lane]
        if solved[lane]:
            beta[job, :n] = found[:, lane]
            bias[job] = found_bias[lane]
            continue
        bias[job], converged = _solve_hard(
            problem, job, K[:, :, lane], y[:, lane].copy(), lo[:, lane].copy(), hi[:, lane].copy(),
            start, beta[job, :n],
        )  # fmt: skip
        failed += not converged
    return failed


@njit(cache=True, error_model="numpy")
def _solve_hard(problem, job, lower, y, lo, hi, start, beta):
    """Solves one job by pairs, from the subset's solution; returns the bias and whether it did.

    Rounded to single precision, the kernel of (nearly) equal rows may have negative eigenvalues and
    the pairs no end. Such a machine gets the kernel in double precision.
    """
    options, between, itself, _, _, inside, place, gammas, _ = problem
    kind, coef0, degree = options
    n, p = len(y), len(inside)
    matrix = np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            matrix[i, j] = matrix[j, i] = lower[i, j]
    bias, converged = 0.0, False
    for work in (_WORK, _MUCH_WORK):
        beta[:] = start[:n]
        if not ((lo <= beta) & (beta <= hi)).all():
            beta[:] = 0.0
        bias, converged = solve_one(matrix, y, lo, hi, beta, work)
        if converged:
            break
        for i in range(n):
            for j in range(n):
                if i == p and j == p:
                    value = itself[place[job]]
                elif i == p or j == p:
                    value = between[inside[min(i, j)], place[job]]
                else:
                    value = between[inside[i], inside[j]]
                matrix[i, j] = kernel(kind, value, gammas[job], coef0, degree)
    return bias, converged


@njit(cache=True, error_model="numpy")
def _prepare(problem, jobs, K, y, lo, hi):
    """Fills the kernel matrices, targets and bounds of the jobs."""
    options, between, itself, positive, bounds, inside, place, gammas, C = problem
    kind, coef0, degree = options
    n, width = y.shape
    values, column = gammas[jobs], np.empty(width)
    for r in range(len(inside)):
        i = inside[r]
        for c in range(r + 1):
            column[:] = between[i, inside[c]]
            kernel_lanes(kind, column, values, coef0, degree, K[r, c])
        for lane in range(width):
            _set_bounds(positive[i], bounds[i], C, jobs[lane], r, lane, y, lo, hi)
    if n == len(inside):
        return
    r = n - 1
    for c in range(n):
        for lane in range(width):
            x = place[jobs[lane]]
            column[lane] = itself[x] if c == r else between[inside[c], x]
        kernel_lanes(kind, column, values, coef0, degree, K[r, c])
    for lane in range(width):
        x = place[jobs[lane]]
        _set_bounds(positive[x], bounds[x], C, jobs[lane], r, lane, y, lo, hi)


@njit(cache=True, error_model="numpy")
def _set_bounds(positive, bound, C, job, i, lane, y, lo, hi):
    y[i, lane] = 1.0 if positive else -1.0
    hi[i, lane] = C[0, job] * bound if positive else 0.0
    lo[i, lane] = 0.0 if positive else -C[1, job] * bound


@njit(cache=True, error_model="numpy")
def _first_guess(K, y, lo, hi, start, bias, p):
    """States as in the subset's solution; a candidate joins where it violates its margin."""
    n, width = y.shape
    state = np.empty((n, width))
    # a coefficient on its bound is there exactly; those of no candidate have lane 0's bounds
    for i in range(p):
        guess = 0.0
        if start[i] <= lo[i, 0]:
            guess = -1.0
        elif start[i] >= hi[i, 0]:
            guess = 1.0
        state[i] = guess
    for i in range(p, n):
        error = bias - y[i]
        for j in range(p):
            for lane in range(width):
                error[lane] += K[i, j, lane] * start[j]
        for lane in range(width):
            target = y[i, lane]
            state[i, lane] = 0.0 if error[lane] * target < 0.0 else -target
    return state
