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
from lalbench.oracle.svm_decisions import add_votes
from lalbench.oracle.svm_lanes import RBF, kernel_values
from lalbench.oracle.svm_path import MOST, follow, norm_bound, set_candidate
from lalbench.oracle.svm_tableau import Tableau, join, tableau_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_TOGETHER = 64
"""Machines at a time: what they need stays in the processor's cache."""
_TRIES = 3


@jit()
def vote_near(
    problem: tuple[Any, ...],
    nodes: FloatArray,
    errors: FloatArray,
    start: FloatArray,
    states: FloatArray,
    first: NDArray[np.int16],
    second: NDArray[np.int16],
    jobs: IntArray,
) -> BoolArray:
    """Adds the votes of machines near that of their subset.

    Args:
        problem: of a pair (:func:`lalbench.oracle.svm_pairs.vote_pair`), with t jobs.
        nodes: (J,) equidistant γ, from :func:`lalbench.oracle.svm_decisions.nodes_of`.
        errors: (t,) likewise.
        start: (p,) states of the subset's machine, or nearly; corrected.
        states: (t + 1, p + 1) out, states of the machines at the end of the iteration.
        first: (c + 1, m) votes for the first class, added to.
        second: (c + 1, m) votes for the second class, likewise.
        jobs: (t,) lines of the machines in the votes.

    Returns:
        (t,) whether a machine has got its votes.
    """
    t, p = len(jobs), len(start)
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
            done[which[a]] = smallest(values, a, p + 1) > doubts[a]
            if done[which[a]]:
                add_votes(values, a, p + 1, first, second, jobs[which[a]])
    return done


@jit()
def _prepare(
    problem: tuple[Any, ...], nodes: FloatArray, start: FloatArray, states: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray, Tableau]:
    """The order of the rows, their targets, kernels and tableau, once ``start`` is right."""
    t = len(states) - 1
    for _ in range(_TRIES):
        order = np.append(np.flatnonzero(start == 0.0), np.flatnonzero(start != 0.0))
        n_free = np.sum(start == 0.0)
        targets = _targets(problem, order, start)
        kernels = _kernels_at(problem, nodes, order, n_free)
        tableau = tableau_of(n_free, kernels, targets[0], targets[1], targets[2], targets[3])
        if len(tableau[1]) == 0:
            break
        _solve_some(problem, nodes, order, tableau, np.array([t]), states)
        if np.all(states[t, :-1] == start):
            break
        start[:] = states[t, :-1]
    _constant(targets, n_free, kernels)
    return order, targets, kernels, tableau


@jit()
def _targets(problem: tuple[Any, ...], order: IntArray, start: FloatArray) -> FloatArray:
    """(4, p + 1) targets, bounds and states by position."""
    positive, bounds, inside = problem[3], problem[4], problem[5]
    found = np.zeros((4, len(order) + 1))
    n_free = np.sum(start == 0.0)
    for r in range(len(order)):
        i, x = r + (r >= n_free), inside[order[r]]
        found[0, i] = 1.0 if positive[x] else -1.0
        found[1, i] = 0.0 if positive[x] else -bounds[x]
        found[2, i] = bounds[x] if positive[x] else 0.0
        found[3, i] = start[order[r]]
    return found


@jit()
def _kernels_at(
    problem: tuple[Any, ...], nodes: FloatArray, order: IntArray, n_free: int
) -> FloatArray:
    """((p + 1) J, p + 1 + m) kernels of the rows and of rows and evaluation points at the nodes.

    That of an RBF at the next equidistant node is that at the last one times a factor.
    """
    options, between, inside, toward = problem[0], problem[1], problem[5], problem[8]
    kind, coef0, degree = options
    p, m, n_nodes = len(order), toward.shape[1], len(nodes)
    found = np.empty((p + 1, n_nodes, p + 1 + m))
    lines, factors = np.empty((p + 1, p + 1 + m)), np.empty((p + 1, p + 1 + m))
    columns = np.empty(p + 1, np.int64)
    for r in range(p):
        columns[r + (r >= n_free)] = inside[order[r]]
    columns[n_free] = columns[0] if n_free else columns[p]
    for i in range(p + 1):
        for c in range(p + 1):
            lines[i, c] = between[columns[i], columns[c]]
        for c in range(m):
            lines[i, p + 1 + c] = toward[columns[i], c]
    values, out = lines.reshape(-1), np.empty(lines.size)
    for node in range(n_nodes):
        if node == 0 or kind != RBF:
            kernel_values(kind, values, nodes[node], coef0, degree, out)
            if node == 0 and n_nodes > 1:
                kernel_values(kind, values, nodes[1] - nodes[0], coef0, degree, factors.reshape(-1))
        else:
            _multiply(out, factors)
        _write_node(out, node, n_free, found)
    return found.reshape((p + 1) * n_nodes, p + 1 + m)


@jit()
def _multiply(out: FloatArray, factors: FloatArray) -> None:
    flat = factors.reshape(-1)
    for i in range(len(out)):
        out[i] *= flat[i]


@jit()
def _write_node(values: FloatArray, node: int, n_free: int, out: FloatArray) -> None:
    """The kernels at one node, with ones for the bias."""
    width = out.shape[2]
    for i in range(len(out)):
        for c in range(width):
            out[i, node, c] = values[i * width + c]
        out[i, node, n_free] = 1.0


@jit()
def _constant(targets: FloatArray, n_free: int, kernels: FloatArray) -> None:
    """Writes what the rows on their bounds add to all values to the lines of the bias."""
    n_nodes = len(kernels) // targets.shape[1]
    for node in range(n_nodes):
        line = n_free * n_nodes + node
        for c in range(kernels.shape[1]):
            kernels[line, c] = 0.0
        for i in range(n_free + 1, targets.shape[1]):
            value = targets[1, i] if targets[3, i] < 0.0 else targets[2, i]
            if value != 0.0:
                for c in range(kernels.shape[1]):
                    kernels[line, c] += value * kernels[i * n_nodes + node, c]


@jit()
def _shares(nodes: FloatArray, gammas: FloatArray) -> FloatArray:
    """(c, J) Lagrange's polynomials of the nodes at each γ."""
    found = np.ones((len(gammas), len(nodes)))
    for j in range(len(nodes)):
        for i in range(len(nodes)):
            if i != j:
                scale = 1.0 / (nodes[j] - nodes[i])
                for a in range(len(gammas)):
                    found[a, j] *= (gammas[a] - nodes[i]) * scale
    return found


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
    bounds, place, gammas = problem[4], problem[6], problem[7]
    n_free, lines, base, before, box, limits, norm = tableau
    n, p, width = len(which), len(order), base.shape[1]
    k, targets = _kernels_of(problem, order, n_free, which)
    shares = _shares(nodes, gammas[which])
    weighted = _weigh(k, k[:, n_free], n_free, -shares)
    columns, z = np.empty((n, width)), np.empty((n, width))
    np.dot(weighted, lines[: weighted.shape[1]], columns)
    np.dot(shares, base, z)
    join(tableau, k, targets, columns, z)
    beta, norms = np.empty((n, p + 2)), np.full(n, -1.0)
    state, found, x = np.empty(p + 2), np.empty(width), np.empty(MOST)
    places, moved = np.empty(MOST, np.int64), np.empty((MOST, width))
    system, other = np.empty((MOST, MOST)), np.empty((MOST, MOST))
    for a in range(n):
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
    return k, beta, norms


@jit()
def _kernels_of(
    problem: tuple[Any, ...], order: IntArray, n_free: int, which: IntArray
) -> tuple[FloatArray, FloatArray]:
    """(c, p + 2) kernels of candidates by position, 1 for the bias, and with themselves; targets.

    Kernels and targets (c,) are 0 for machines without.
    """
    options, between, itself, positive, inside, place, gammas = (
        problem[0], problem[1], problem[2], problem[3], problem[5], problem[6], problem[7],
    )  # fmt: skip
    kind, coef0, degree = options
    p = len(order)
    columns = np.empty(p, np.int64)
    for r in range(p):
        columns[r] = inside[order[r]]
    found, targets = np.zeros((len(which), p + 2)), np.zeros(len(which))
    line = np.zeros(p + 2)
    for a in range(len(which)):
        x = place[which[a]]
        if x >= 0:
            targets[a] = 1.0 if positive[x] else -1.0
            for r in range(n_free):
                line[r] = between[columns[r], x]
            for r in range(n_free, p):
                line[r + 1] = between[columns[r], x]
            line[p + 1] = itself[x]
            kernel_values(kind, line, gammas[which[a]], coef0, degree, found[a])
            found[a, n_free] = 1.0
    return found, targets


@jit()
def _write_states(
    order: IntArray, n_free: int, state: FloatArray, out: FloatArray, job: int
) -> None:
    """From positions to the rows' own order, the candidate last."""
    for r in range(len(order)):
        out[job, order[r]] = state[r + (r >= n_free)]
    out[job, len(order)] = state[len(order) + 1]


@jit()
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
    options, place, gammas, toward = problem[0], problem[6], problem[7], problem[8]
    kind, coef0, degree = options
    n_free, before, box = tableau[0], tableau[3], tableau[4]
    n, p, m = len(which), len(before) - 2, toward.shape[1]
    shares = _shares(nodes, gammas[which])
    weighted = _weigh(beta, np.ones(n), n_free, shares)
    values, own = np.empty((n, p + 1 + m)), np.empty((1, m))
    np.dot(weighted, kernels[: weighted.shape[1]], values)
    for a in range(n):
        for i in range(n_free + 1, p + 1):
            change = beta[a, i] - (box[0, i] if before[i] < 0.0 else box[1, i])
            if change != 0.0:
                for node in range(len(nodes)):
                    _add(values, a, 0, shares[a, node] * change, kernels, i * len(nodes) + node)
        if place[which[a]] >= 0 and beta[a, p + 1] != 0.0:
            kernel_values(kind, toward[place[which[a]]], gammas[which[a]], coef0, degree, own[0])
            _add(values, a, p + 1, beta[a, p + 1], own, 0)
            _add(values, a, 0, beta[a, p + 1], k[:, : p + 1], a)
    for a in range(n):
        total = values[a, n_free]
        for c in range(values.shape[1]):
            values[a, c] += beta[a, n_free]
        values[a, n_free] = total
    return values


@jit()
def _weigh(values: FloatArray, last: FloatArray, n_free: int, shares: FloatArray) -> FloatArray:
    """(c, (f + 1) J) ``values`` of the free rows, and ``last``, times the shares of the nodes."""
    n, n_nodes = shares.shape
    found = np.empty((n, (n_free + 1) * n_nodes))
    for a in range(n):
        for i in range(n_free + 1):
            value = values[a, i] if i < n_free else last[a]
            for node in range(n_nodes):
                found[a, i * n_nodes + node] = shares[a, node] * value
    return found


@jit({"contract"})
def _add(out: FloatArray, a: int, first: int, share: float, lines: FloatArray, line: int) -> None:
    for c in range(lines.shape[1]):
        out[a, first + c] += share * lines[line, c]
