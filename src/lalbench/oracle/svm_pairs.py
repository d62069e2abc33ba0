"""Compiled: the machine of one pair of classes, refitted with each of many candidates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_lanes import kernel_lanes, kernel_values, solve_lanes
from lalbench.oracle.svm_smo import solve_one
from lalbench.oracle.svm_vectors import LANES

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Options = tuple[int, float, int]

_WORK, _MUCH_WORK = 10**6, 10**8
"""Of pairs, on the kernel in single and in double precision."""


@jit()
def refit_pair(
    options: Options,
    between: FloatArray,
    itself: FloatArray,
    positive: BoolArray,
    bounds: FloatArray,
    inside: IntArray,
    place: IntArray,
    gammas: FloatArray,
    complete: bool,
) -> tuple[FloatArray, FloatArray, int]:
    """Solutions of the machine of a pair for each of t jobs.

    Args:
        options, between, itself, bounds: as in :func:`lalbench.oracle.svm_refits.refit_subset`.
        positive: (n,) bool, rows of the first class.
        inside: (p,) row numbers of the pair in the subset.
        place: (t,) row number of the candidate that joins, or -1.
        gammas: (t,) γ.
        complete: both classes are inside, and the last job is that of the subset itself.

    Returns:
        (t, p + 1) coefficients, last that of the candidate; (t,) biases; number of jobs not solved.
    """
    t, p = len(gammas), len(inside)
    problem = options, between, itself, positive, bounds, inside, place, gammas
    beta, bias = np.zeros((t, p + 1)), np.zeros(t)
    if not complete:
        failed = 0
        for job in range(t):
            failed += not _solve_alone(problem, job, beta, bias)
        return beta, bias, failed
    failed = 0 if _solve_alone(problem, t - 1, beta, bias) else 1
    start = beta[t - 1].copy()
    for joining in (False, True):
        jobs = np.flatnonzero((place >= 0) == joining)
        if not joining:
            same = gammas[jobs] == gammas[t - 1]
            for job in jobs[same]:
                beta[job], bias[job] = start, bias[t - 1]
            jobs = jobs[~same]
        if len(jobs) == 0:
            continue
        for first in range(0, len(jobs), LANES):
            group = jobs[first : first + LANES]
            failed += _solve_group(problem, group, start, bias[t - 1], beta, bias)
    return beta, bias, failed


@jit()
def _solve_group(
    problem: tuple[Any, ...],
    group: IntArray,
    start: FloatArray,
    start_bias: float,
    beta: FloatArray,
    bias: FloatArray,
) -> int:
    """Solves jobs that all have a candidate, or all none; returns how many it could not solve."""
    inside, place = problem[5], problem[6]
    n = len(inside) + (place[group[0]] >= 0)
    jobs = np.full(LANES, group[-1])  # the last job fills the rest
    jobs[: len(group)] = group
    K = np.empty((n, n, LANES))
    y, lo, hi = np.empty((n, LANES)), np.empty((n, LANES)), np.empty((n, LANES))
    _prepare(problem, jobs, K, y, lo, hi)
    found, found_bias, solved = np.empty((n, LANES)), np.empty(LANES), np.empty(LANES, np.bool_)
    state = _first_guess(K, y, lo, hi, start, start_bias, len(inside))
    solve_lanes(K, y, lo, hi, state, found, found_bias, solved)
    failed = 0
    for lane in range(len(group)):
        job = jobs[lane]
        if solved[lane]:
            beta[job, :n] = found[:, lane]
            bias[job] = found_bias[lane]
        else:
            failed += not _solve_alone(problem, job, beta, bias)
    return failed


@jit()
def _solve_alone(problem: tuple[Any, ...], job: int, beta: FloatArray, bias: FloatArray) -> bool:
    """Solves one job by pairs; returns whether it did.

    Rounded to single precision, the kernel of (nearly) equal rows may have negative eigenvalues and
    the pairs no end. Such a machine gets the kernel in double precision.
    """
    positive, bounds, inside, place = problem[3], problem[4], problem[5], problem[6]
    n = len(inside) + (place[job] >= 0)
    y, lo, hi = np.empty((n, 1)), np.empty((n, 1)), np.empty((n, 1))
    for i in range(n):
        x = inside[i] if i < len(inside) else place[job]
        _set_bounds(positive[x], bounds[x], i, 0, y, lo, hi)
    converged = False
    for single in (True, False):
        value = np.zeros(n)
        matrix = _matrix(problem, job, n, single)
        work = _WORK if single else _MUCH_WORK
        bias[job], converged = solve_one(matrix, y[:, 0], lo[:, 0], hi[:, 0], value, work)
        beta[job, :n] = value
        if converged:
            break
    return converged


@jit()
def _matrix(problem: tuple[Any, ...], job: int, n: int, single: bool) -> FloatArray:
    """(n, n) kernel matrix of one job, rounded to single precision or not."""
    options, between, itself, inside, place, gammas = (
        problem[0], problem[1], problem[2], problem[5], problem[6], problem[7],
    )  # fmt: skip
    kind, coef0, degree = options
    p, found = len(inside), np.empty((n, n))
    for i in range(p):
        found[i, :p] = between[inside[i]][inside]
        if n > p:
            found[i, p] = found[p, i] = between[inside[i], place[job]]
    if n > p:
        found[p, p] = itself[place[job]]
    flat = found.reshape(n * n)
    kernel_values(kind, flat, gammas[job], coef0, degree, flat)
    if single:
        for i in range(n * n):
            flat[i] = np.float32(flat[i])
    return found


@jit()
def _prepare(
    problem: tuple[Any, ...],
    jobs: IntArray,
    K: FloatArray,
    y: FloatArray,
    lo: FloatArray,
    hi: FloatArray,
) -> None:
    """Fills the kernel matrices, targets and bounds of the jobs."""
    options, between, itself, positive, bounds, inside, place, gammas = problem
    kind, coef0, degree = options
    n, p = len(y), len(inside)
    row, lane_gammas = np.empty((n, LANES)), np.empty((n, LANES))
    lane_gammas[:] = gammas[jobs]
    # whole rows at a time: short loops run without vector instructions
    values, flat_gammas, flat = row.reshape(-1), lane_gammas.reshape(-1), K.reshape(n, n * LANES)
    for r in range(n):
        for lane in range(LANES):
            x = inside[r] if r < p else place[jobs[lane]]
            _set_bounds(positive[x], bounds[x], r, lane, y, lo, hi)
        for c in range(r + 1):
            for lane in range(LANES):
                if r < p:
                    row[c, lane] = between[inside[r], inside[c]]
                else:
                    x = place[jobs[lane]]
                    row[c, lane] = itself[x] if c == p else between[inside[c], x]
        end = (r + 1) * LANES
        kernel_lanes(kind, values[:end], flat_gammas[:end], coef0, degree, flat[r, :end])
        for c in range(r):
            for lane in range(LANES):
                K[c, r, lane] = K[r, c, lane]


@jit()
def _set_bounds(
    positive: bool, bound: float, i: int, lane: int, y: FloatArray, lo: FloatArray, hi: FloatArray
) -> None:
    y[i, lane] = 1.0 if positive else -1.0
    hi[i, lane] = bound if positive else 0.0
    lo[i, lane] = 0.0 if positive else -bound


@jit()
def _first_guess(
    K: FloatArray,
    y: FloatArray,
    lo: FloatArray,
    hi: FloatArray,
    start: FloatArray,
    bias: float,
    p: int,
) -> FloatArray:
    """States as in the subset's solution; a candidate joins where it violates its margin."""
    n = len(y)
    state = np.empty((n, LANES))
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
            for lane in range(LANES):
                error[lane] += K[i, j, lane] * start[j]
        for lane in range(LANES):
            target = y[i, lane]
            state[i, lane] = 0.0 if error[lane] * target < 0.0 else -target
    return state
