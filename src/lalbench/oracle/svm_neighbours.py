"""Compiled: machines near that of their subset, solved together.

The coefficients come from the subset's tableau (:mod:`lalbench.oracle.svm_tableau`), interpolated
between nodes of γ. They are near the optimum, not at it. A machine whose decisions are all further
from 0 than they can be wrong (:mod:`lalbench.oracle.svm_certificate`) votes as at the optimum; the
others are left to the exact iteration.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_certificate import doubts_of, reach_of, smallest
from lalbench.oracle.svm_decisions import Ballots, add_odds, add_votes, is_sure
from lalbench.oracle.svm_lanes import kernel_values
from lalbench.oracle.svm_nodes import (
    add_line,
    kernels_at,
    kernels_of,
    shares_of,
    targets_of,
    weigh,
    write_constants,
)
from lalbench.oracle.svm_path import MOST, follow, norm_bound, set_candidate
from lalbench.oracle.svm_tableau import Tableau, join, tableau_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_TOGETHER = 64
"""Machines at a time: what they need stays in the processor's cache."""
_TRIES = 3


@jit(inline=True)
def vote_near(
    problem: tuple[Any, ...],
    nodes: FloatArray,
    errors: FloatArray,
    start: FloatArray,
    states: FloatArray,
    ballots: Ballots,
    jobs: IntArray,
) -> BoolArray:
    """Adds the votes of machines near that of their subset.

    Args:
        problem: of a pair (:func:`lalbench.oracle.svm_pairs.vote_pair`), with t jobs.
        nodes: (J,) equidistant γ, from :func:`lalbench.oracle.svm_nodes.nodes_of`.
        errors: (t,) likewise.
        start: (p,) states of the subset's machine, or nearly; corrected.
        states: (t + 1, p + 1) out, states of the machines at the end of the iteration.
        ballots: added to.
        jobs: (t,) lines of the machines in the votes.

    Returns:
        (t,) whether a machine has got its votes.
    """
    t, p = len(jobs), len(start)
    first, second, more, less, slope = ballots
    done = np.zeros(t, np.bool_)
    order, targets, kernels, tableau = _prepare(problem, nodes, start, states)
    if len(tableau[1]) == 0:
        return done
    y, reach = targets[0], reach_of(problem)
    for begin in range(0, t, _TOGETHER):
        which = np.arange(begin, min(begin + _TOGETHER, t))
        k, beta, norms = _solve_some(problem, nodes, order, tableau, which, states)
        values = _decide(problem, nodes, tableau, kernels, which, k, beta)
        doubts = doubts_of(problem, which, tableau, y, k, beta, values, norms, errors, reach)
        for a in range(len(which)):
            done[which[a]] = is_sure(smallest(values, a, p + 1), doubts[a], slope)
            if done[which[a]]:
                add_votes(values, a, p + 1, first, second, jobs[which[a]])
                add_odds(values, a, p + 1, slope, more, less, jobs[which[a]])
    return done


@jit(inline=True)
def _prepare(
    problem: tuple[Any, ...], nodes: FloatArray, start: FloatArray, states: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray, Tableau]:
    """The order of the rows, their targets, kernels and tableau, once ``start`` is right."""
    t = len(states) - 1
    for _ in range(_TRIES):
        order = np.append(np.flatnonzero(start == 0.0), np.flatnonzero(start != 0.0))
        n_free = np.sum(start == 0.0)
        targets = targets_of(problem, order, start)
        kernels = kernels_at(problem, nodes, order, n_free)
        tableau = tableau_of(n_free, kernels, targets[0], targets[1], targets[2], targets[3])
        if len(tableau[1]) == 0:
            break
        _solve_some(problem, nodes, order, tableau, np.array([t]), states)
        if np.all(states[t, :-1] == start):
            break
        start[:] = states[t, :-1]
    write_constants(targets, n_free, kernels)
    return order, targets, kernels, tableau


@jit()
def _solve_some(
    problem: tuple[Any, ...],
    nodes: FloatArray,
    order: IntArray,
    tableau: Tableau,
    which: IntArray,
    states: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Machines by the tableau.

    Returns:
        (c, p + 2) kernels of their candidates, by position, 1 for the bias; (c, p + 2)
        coefficients by position and the bias; (c,) bounds of the norm of P, -1.0 where the
        iteration had no end.
    """
    n_free, lines, base = tableau[0], tableau[1], tableau[2]
    n, p, width = len(which), len(order), base.shape[1]
    k, targets = kernels_of(problem, order, n_free, which)
    shares = shares_of(nodes, problem[7][which])
    weighted = weigh(k, k[:, n_free], n_free, -shares)
    columns, z = np.empty((n, width)), np.empty((n, width))
    np.dot(weighted, lines[: weighted.shape[1]], columns)
    np.dot(shares, base, z)
    join(tableau, k, targets, columns, z)
    beta, norms = np.empty((n, p + 2)), np.full(n, -1.0)
    state, found, x = np.empty(p + 2), np.empty(width), np.empty(MOST)
    places, moved = np.empty(MOST, np.int64), np.empty((MOST, width))
    system, other = np.empty((MOST, MOST)), np.empty((MOST, MOST))
    _follow_all(
        problem, order, tableau, which, targets, shares, columns, z, states,
        state, found, x, places, moved, system, other, beta, norms,
    )  # fmt: skip
    return k, beta, norms


@jit(borrows=True)
def _follow_all(
    problem: tuple[Any, ...],
    order: IntArray,
    tableau: Tableau,
    which: IntArray,
    targets: FloatArray,
    shares: FloatArray,
    columns: FloatArray,
    z: FloatArray,
    states: FloatArray,
    state: FloatArray,
    found: FloatArray,
    x: FloatArray,
    places: IntArray,
    moved: FloatArray,
    system: FloatArray,
    other: FloatArray,
    beta: FloatArray,
    norms: FloatArray,
) -> None:
    """Writes states, coefficients and bounds of the norm, one machine after the other."""
    bounds, place = problem[4], problem[6]
    n_free, lines, _, before, box, limits, norm = tableau
    for a in range(len(which)):
        row = place[which[a]]
        set_candidate(before, box, limits, targets[a], bounds[row] if row >= 0 else 0.0)
        count = follow(
            n_free, lines, before, box, limits, a, shares, columns, z,
            state, found, places, x, moved, system,
        )  # fmt: skip
        _write_states(order, n_free, state, states, which[a])
        if count >= 0:
            _write_solution(n_free, before, box, state, found, places, count, x, beta, a)
            norms[a] = norm_bound(n_free, before, norm, places, count, state, moved, system, other)


@jit(borrows=True)
def _write_states(
    order: IntArray, n_free: int, state: FloatArray, out: FloatArray, job: int
) -> None:
    """From positions to the rows' own order, the candidate last."""
    for r in range(len(order)):
        out[job, order[r]] = state[r + (r >= n_free)]
    out[job, len(order)] = state[len(order) + 1]


@jit(borrows=True)
def _write_solution(
    n_free: int,
    before: FloatArray,
    box: FloatArray,
    state: FloatArray,
    z: FloatArray,
    places: IntArray,
    count: int,
    x: FloatArray,
    out: FloatArray,
    a: int,
) -> None:
    """Coefficients by position, and the bias, of machine a."""
    for i in range(len(state)):
        if state[i] != 0.0:
            out[a, i] = box[0, i] if state[i] < 0.0 else box[1, i]
        else:
            out[a, i] = z[i]
    for b in range(count):
        i = places[b]
        if state[i] == 0.0 and before[i] != 0.0:
            out[a, i] = x[b] + (box[0, i] if before[i] < 0.0 else box[1, i])


@jit()
def _decide(
    problem: tuple[Any, ...],
    nodes: FloatArray,
    tableau: Tableau,
    kernels: FloatArray,
    which: IntArray,
    k: FloatArray,
    beta: FloatArray,
) -> FloatArray:
    """(c, p + 1 + m) decisions at the rows and the evaluation points; Σ β at that of the bias."""
    toward, n_free = problem[8], tableau[0]
    n, width, m = len(which), kernels.shape[1], toward.shape[1]
    shares = shares_of(nodes, problem[7][which])
    weighted = weigh(beta, np.ones(n), n_free, shares)
    values, own = np.empty((n, width)), np.empty((1, m))
    np.dot(weighted, kernels[: weighted.shape[1]], values)
    _add_changes(problem, tableau, kernels, shares, which, k, beta, own, values)
    return values


@jit(borrows=True)
def _add_changes(
    problem: tuple[Any, ...],
    tableau: Tableau,
    kernels: FloatArray,
    shares: FloatArray,
    which: IntArray,
    k: FloatArray,
    beta: FloatArray,
    own: FloatArray,
    values: FloatArray,
) -> None:
    """Adds what rows that left their bound, the candidate and the bias change."""
    options, place, gammas, toward = problem[0], problem[6], problem[7], problem[8]
    kind, coef0, degree = options
    n_free, before, box = tableau[0], tableau[3], tableau[4]
    p, n_nodes = len(before) - 2, shares.shape[1]
    for a in range(len(which)):
        for i in range(n_free + 1, p + 1):
            change = beta[a, i] - (box[0, i] if before[i] < 0.0 else box[1, i])
            if change != 0.0:
                for node in range(n_nodes):
                    add_line(values, a, 0, shares[a, node] * change, kernels, i * n_nodes + node)
        if place[which[a]] >= 0 and beta[a, p + 1] != 0.0:
            kernel_values(kind, toward[place[which[a]]], gammas[which[a]], coef0, degree, own[0])
            add_line(values, a, p + 1, beta[a, p + 1], own, 0)
            add_line(values, a, 0, beta[a, p + 1], k[:, : p + 1], a)
        total = values[a, n_free]
        for c in range(values.shape[1]):
            values[a, c] += beta[a, n_free]
        values[a, n_free] = total
