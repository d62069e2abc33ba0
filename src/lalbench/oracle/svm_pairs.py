"""Compiled: the machine of one pair of classes, refitted with each of many candidates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_bounded import vote_bounded
from lalbench.oracle.svm_decisions import Ballots, add_odds, add_votes, decide
from lalbench.oracle.svm_lanes import MAX_STEPS, kernel_lanes, kernel_values, solve_lanes
from lalbench.oracle.svm_neighbours import vote_near
from lalbench.oracle.svm_smo import solve_one, states_near
from lalbench.oracle.svm_vectors import LANES

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Options = tuple[int, float, int]

_WORK, _MUCH_WORK = 10**6, 10**8
"""Of pairs, on the kernel in single and in double precision."""


@jit(inline=True)
def vote_pair(
    problem: tuple[Any, ...],
    nodes: FloatArray,
    errors: FloatArray,
    complete: bool,
    ballots: Ballots,
    jobs: IntArray,
) -> int:
    """Adds the votes of the machine of a pair for each of t jobs.

    Args:
        problem: options, between, itself; (n,) bool rows of the first class; bounds; (p,) row
            numbers of the pair in the subset; (t + 1,) row number of the candidate that joins, or
            -1; (t + 1,) γ; toward, beyond; the others as in
            :func:`lalbench.oracle.svm_refits.refit_subsets`. The last is no job but the subset's
            own machine for the others to start from.
        nodes: (J,) of γ, from :func:`lalbench.oracle.svm_nodes.nodes_of`.
        errors: (t,) likewise.
        complete: both classes are in the subset.
        ballots: votes and log-odds of both classes, added to.
        jobs: (t,) lines of the jobs in the votes.

    Returns:
        number of jobs not solved.
    """
    options, inside, place, gammas, toward = (
        problem[0], problem[5], problem[6], problem[7], problem[8],
    )  # fmt: skip
    t, p = len(jobs), len(inside)
    beta, bias, solved = np.zeros((t, p + 1)), np.zeros(t), np.zeros(t, np.bool_)
    rest = np.arange(t)
    if complete:
        voted, states = np.zeros(t, np.bool_), np.empty((t + 1, p + 1))
        start = _start(problem, states)
        if len(nodes) and np.all(start != 0.0):
            voted = vote_bounded(problem, nodes, errors, start, ballots, jobs)
        elif len(nodes):
            voted = vote_near(problem, nodes, errors, start, states, ballots, jobs)
        rest = np.flatnonzero(~voted)
        _solve_together(problem, rest, states, beta, bias, solved)
    first, second, more, less, slope = ballots
    failed, own, decisions = 0, np.empty(toward.shape[1]), np.empty((1, toward.shape[1]))
    for job in rest:
        if not solved[job]:
            failed += not _solve_alone(problem, job, beta, bias)
        which = np.append(inside, place[job : job + 1])[: p + (place[job] >= 0)]
        decide(options, toward, which, beta[job], bias[job], gammas[job], own, decisions[0])
        add_votes(decisions, 0, 0, first, second, jobs[job])
        add_odds(decisions, 0, 0, slope, more, less, jobs[job])
    return failed


@jit(inline=True)
def _start(problem: tuple[Any, ...], states: FloatArray) -> FloatArray:
    """(p,) states near those of the subset's solution; ``states`` of all jobs, guessed from it.

    A candidate is guessed free.
    """
    positive, bounds, inside, gammas = problem[3], problem[4], problem[5], problem[7]
    job, p = len(gammas) - 1, len(inside)
    y, lo, hi = np.empty((p, 1)), np.empty((p, 1)), np.empty((p, 1))
    for i in range(p):
        _set_bounds(positive[inside[i]], bounds[inside[i]], i, 0, y, lo, hi)
    matrix = _matrix(problem, job, p, False)
    start = states_near(matrix, y[:, 0].copy(), lo[:, 0].copy(), hi[:, 0].copy())
    states[:, :p] = start
    states[:, p] = 0.0
    return start


@jit(inline=True)
def _solve_together(
    problem: tuple[Any, ...],
    rest: IntArray,
    states: FloatArray,
    beta: FloatArray,
    bias: FloatArray,
    solved: BoolArray,
) -> None:
    """Solves jobs from guessed states, one per lane, where the active-set iteration can."""
    place = problem[6]
    for joining in (False, True):
        jobs = rest[(place[rest] >= 0) == joining]
        # few guesses are wrong: those jobs go on together, the other lanes need not wait for them
        for steps in (1, MAX_STEPS):
            for begin in range(0, len(jobs), LANES):
                group = jobs[begin : begin + LANES]
                _solve_group(problem, group, states, steps, beta, bias, solved)
            jobs = jobs[~solved[jobs]]


@jit(inline=True)
def _solve_group(
    problem: tuple[Any, ...],
    group: IntArray,
    states: FloatArray,
    steps: int,
    beta: FloatArray,
    bias: FloatArray,
    solved: BoolArray,
) -> None:
    """Solves jobs that all have a candidate, or all none."""
    inside, place = problem[5], problem[6]
    n = len(inside) + (place[group[0]] >= 0)
    jobs = np.full(LANES, group[-1])  # the last job fills the rest
    jobs[: len(group)] = group
    K = np.empty((n, n, LANES))
    y, lo, hi = np.empty((n, LANES)), np.empty((n, LANES)), np.empty((n, LANES))
    _prepare(problem, jobs, K, y, lo, hi)
    state = states[jobs][:, :n].T.copy()
    found, found_bias, done = np.empty((n, LANES)), np.empty(LANES), np.empty(LANES, np.bool_)
    solve_lanes(K, y, lo, hi, state, found, found_bias, done, steps)
    for lane in range(len(group)):
        solved[group[lane]] = done[lane]
        if done[lane]:
            beta[group[lane], :n] = found[:, lane]
            bias[group[lane]] = found_bias[lane]


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
    p, line, found = len(inside), np.empty(n), np.empty((n, n))
    for i in range(n):
        x = inside[i] if i < p else place[job]
        for j in range(min(i + 1, p)):  # between has the lines of the subset only
            line[j] = between[inside[j], x]
        if i == p:
            line[p] = itself[x]
        kernel_values(kind, line[: i + 1], gammas[job], coef0, degree, found[i, : i + 1])
        for j in range(i):
            found[j, i] = found[i, j]
    flat = found.reshape(n * n)
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
    positive, bounds, inside, place = problem[3], problem[4], problem[5], problem[6]
    n, p = len(y), len(inside)
    for r in range(n):
        for lane in range(LANES):
            x = inside[r] if r < p else place[jobs[lane]]
            _set_bounds(positive[x], bounds[x], r, lane, y, lo, hi)
    _prepare_kernels(problem, jobs, K)


@jit()
def _prepare_kernels(problem: tuple[Any, ...], jobs: IntArray, K: FloatArray) -> None:
    options, between, itself, inside, place, gammas = (
        problem[0], problem[1], problem[2], problem[5], problem[6], problem[7],
    )  # fmt: skip
    kind, coef0, degree = options
    n, p = len(K), len(inside)
    row, lane_gammas = np.empty((n, LANES)), np.empty((n, LANES))
    lane_gammas[:] = gammas[jobs]
    # whole rows at a time: short loops run without vector instructions
    values, flat_gammas, flat = row.reshape(-1), lane_gammas.reshape(-1), K.reshape(n, n * LANES)
    for r in range(n):
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


@jit(borrows=True)
def _set_bounds(
    positive: bool, bound: float, i: int, lane: int, y: FloatArray, lo: FloatArray, hi: FloatArray
) -> None:
    y[i, lane] = 1.0 if positive else -1.0
    hi[i, lane] = bound if positive else 0.0
    lo[i, lane] = 0.0 if positive else -bound
