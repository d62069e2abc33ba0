"""Compiled: the machine of one pair of classes, refitted with each of many candidates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_lanes import MAX_STEPS, RBF, kernel_lanes, kernel_values, solve_lanes
from lalbench.oracle.svm_smo import solve_one
from lalbench.oracle.svm_tableau import Tableau, guess, tableau_of
from lalbench.oracle.svm_vectors import LANES, NEAR, near_kernels

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
    near = _near(problem)
    tableau = _tableau(problem, near, start[:p], bias[t - 1])
    for joining in (False, True):
        jobs = np.flatnonzero((place >= 0) == joining)
        if not joining:
            same = gammas[jobs] == gammas[t - 1]
            for job in jobs[same]:
                beta[job], bias[job] = start, bias[t - 1]
            jobs = jobs[~same]
        if len(jobs) == 0:
            continue
        # few guesses are wrong: those jobs go on together, the other lanes need not wait for them
        for steps in (1, MAX_STEPS):
            solved = np.zeros(len(jobs), np.bool_)
            for first in range(0, len(jobs), LANES):
                solved[first : first + LANES] = _solve_group(
                    problem, near, jobs[first : first + LANES], tableau, start, steps, beta, bias
                )
            jobs = jobs[~solved]
        for left in jobs:
            failed += 0 if _solve_alone(problem, left, beta, bias) else 1
    return beta, bias, failed


@jit()
def _solve_group(
    problem: tuple[Any, ...],
    near: tuple[float, FloatArray, FloatArray],
    group: IntArray,
    tableau: Tableau,
    start: FloatArray,
    steps: int,
    beta: FloatArray,
    bias: FloatArray,
) -> BoolArray:
    """Solves jobs that all have a candidate, or all none; returns which it did."""
    inside, place = problem[5], problem[6]
    n = len(inside) + (place[group[0]] >= 0)
    jobs = np.full(LANES, group[-1])  # the last job fills the rest
    jobs[: len(group)] = group
    K = np.empty((n, n, LANES))
    y, lo, hi = np.empty((n, LANES)), np.empty((n, LANES)), np.empty((n, LANES))
    _prepare(problem, near, jobs, K, y, lo, hi)
    found, found_bias, solved = np.empty((n, LANES)), np.empty(LANES), np.empty(LANES, np.bool_)
    if len(tableau[0]):
        shifts = problem[7][jobs] - near[0]
        state = _guess_lanes(tableau, shifts, K, y, hi - lo, len(inside), len(group))
    else:
        start_bias = bias[len(bias) - 1]
        state = _first_guess(K, y, lo, hi, start, start_bias, len(inside))
    solve_lanes(K, y, lo, hi, state, found, found_bias, solved, steps)
    for lane in range(len(group)):
        if solved[lane]:
            beta[jobs[lane], :n] = found[:, lane]
            bias[jobs[lane]] = found_bias[lane]
    return solved[: len(group)]


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
def _near(problem: tuple[Any, ...]) -> tuple[float, FloatArray, FloatArray]:
    """A γ in the middle, squared distances (p, p) and their kernel there.

    The kernel of another γ is that times exp(−(γ − middle) D), a series of few terms. Both are
    (0, 0) where a machine's γ is too far from the middle for it, or the kernel is another.
    """
    options, between, inside, gammas = problem[0], problem[1], problem[5], problem[7]
    kind, coef0, degree = options
    middle = (gammas.min() + gammas.max()) / 2
    nothing = np.empty((0, 0))
    if kind != RBF:
        return middle, nothing, nothing
    p = len(inside)
    distances, kernels = np.empty((p, p)), np.empty((p, p))
    for i in range(p):
        for j in range(p):
            distances[i, j] = between[inside[i], inside[j]]
    if (gammas.max() - middle) * distances.max() > NEAR:
        return middle, nothing, nothing
    flat = p * p
    kernel_values(kind, distances.reshape(flat), middle, coef0, degree, kernels.reshape(flat))
    return middle, distances, kernels


@jit()
def _tableau(
    problem: tuple[Any, ...],
    near: tuple[float, FloatArray, FloatArray],
    start: FloatArray,
    bias: float,
) -> Tableau:
    """What the guesses of the jobs need."""
    positive, bounds, inside = problem[3], problem[4], problem[5]
    distances, kernels = near[1], near[2]
    p = len(inside)
    y, lo, hi = np.empty((p, 1)), np.empty((p, 1)), np.empty((p, 1))
    for i in range(p):
        _set_bounds(positive[inside[i]], bounds[inside[i]], i, 0, y, lo, hi)
    if len(kernels):
        slopes = -distances * kernels
    else:
        kernels = _matrix(problem, len(problem[7]) - 1, p, False)
        slopes = np.zeros((p, p))
    return tableau_of(
        kernels, slopes, y[:, 0].copy(), lo[:, 0].copy(), hi[:, 0].copy(), start, bias
    )


@jit()
def _guess_lanes(
    tableau: Tableau,
    shifts: FloatArray,
    K: FloatArray,
    y: FloatArray,
    widths: FloatArray,
    p: int,
    n_jobs: int,
) -> FloatArray:
    """States (n, LANES) guessed from the subset's solution; the last job fills the rest."""
    n = len(y)
    state, found, k = np.empty((n, LANES)), np.empty(p + 2), np.ones(p + 2)
    for lane in range(n_jobs):
        target, bound = 0.0, 0.0
        if n > p:
            for i in range(p):
                k[i] = K[p, i, lane]
            k[p + 1], target, bound = K[p, p, lane], y[p, lane], widths[p, lane]
        guess(tableau, shifts[lane], k, target, bound, found)
        for i in range(p):
            state[i, lane] = found[i]
        if n > p:
            state[p, lane] = found[p + 1]
    for lane in range(n_jobs, LANES):
        for i in range(n):
            state[i, lane] = state[i, n_jobs - 1]
    return state


@jit()
def _prepare(
    problem: tuple[Any, ...],
    near: tuple[float, FloatArray, FloatArray],
    jobs: IntArray,
    K: FloatArray,
    y: FloatArray,
    lo: FloatArray,
    hi: FloatArray,
) -> None:
    """Fills the kernel matrices, targets and bounds of the jobs."""
    positive, bounds, inside, place, gammas = (
        problem[3], problem[4], problem[5], problem[6], problem[7],
    )  # fmt: skip
    n, p = len(y), len(inside)
    for r in range(n):
        for lane in range(LANES):
            x = inside[r] if r < p else place[jobs[lane]]
            _set_bounds(positive[x], bounds[x], r, lane, y, lo, hi)
    middle, distances, kernels = near
    shifts = gammas[jobs] - middle
    for r in range(len(kernels)):
        for c in range(r + 1):
            near_kernels(K, r * n + c, K, c * n + r, distances[r, c], kernels[r, c], shifts)
    _prepare_rows(problem, jobs, len(kernels), K)


@jit()
def _prepare_rows(problem: tuple[Any, ...], jobs: IntArray, start: int, K: FloatArray) -> None:
    """Fills the rows of the kernel matrices from ``start`` on, and the columns equal to them."""
    options, between, itself, inside, place, gammas = (
        problem[0], problem[1], problem[2], problem[5], problem[6], problem[7],
    )  # fmt: skip
    kind, coef0, degree = options
    n, p = len(K), len(inside)
    row, lane_gammas = np.empty((n, LANES)), np.empty((n, LANES))
    lane_gammas[:] = gammas[jobs]
    # whole rows at a time: short loops run without vector instructions
    values, flat_gammas, flat = row.reshape(-1), lane_gammas.reshape(-1), K.reshape(n, n * LANES)
    for r in range(start, n):
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
