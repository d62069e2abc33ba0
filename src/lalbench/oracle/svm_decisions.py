"""Compiled: the votes of many machines of one pair of classes at the evaluation points.

The kernel is a smooth function of γ, so the decisions of all machines come from one matrix product
with the kernels at a few Chebyshev nodes of γ. The remainder of Lagrange's interpolation bounds the
error of each. Where a decision is not larger than its bound, the machine's decisions are computed
from its own kernel. So every sign is that of the exact decision.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_lanes import LINEAR, RBF, kernel_values

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Options = tuple[int, float, int]

_MAX_NODES = 6
_FEW_DOUBTS = 1e-6
"""Error of interpolation relative to Σ|β| that leaves few decisions in doubt."""
_MANY_DOUBTS = 1e-3
_ROUNDING = 1e-13


@jit()
def nodes_of(kind: int, gammas: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Chebyshev nodes of γ, none where each machine needs its own kernel; errors of the machines.

    A decision is off by at most Σ|β| times the error, |Π (γ − node)| max_D Dᴶ exp(−γ D) / J! for J
    nodes plus rounding. The maximum over D ≥ 0 is (J / (e γ))ᴶ.
    """
    low, high = gammas.min(), gammas.max()
    errors = np.full(len(gammas), _ROUNDING)
    if kind == LINEAR or low == high:
        return np.array([low]), errors
    if kind != RBF:
        return np.empty(0), errors
    half = (high - low) / 2
    n, worst, steepest = 1, np.inf, 0.0
    while worst > _FEW_DOUBTS and n < _MAX_NODES:
        n += 1
        steepest = (n / (math.e * low)) ** n / math.gamma(n + 1.0)
        worst = 2 * (half / 2) ** n * steepest
    if worst > _MANY_DOUBTS:
        return np.empty(0), errors
    nodes = low + half * (1 - np.cos(np.pi * (np.arange(n) + 0.5) / n))
    for c in range(len(gammas)):
        errors[c] += abs(np.prod(gammas[c] - nodes)) * steepest
    return nodes, errors


@jit()
def count_votes(
    options: Options,
    toward: FloatArray,
    inside: IntArray,
    place: IntArray,
    beta: FloatArray,
    bias: FloatArray,
    gammas: FloatArray,
    nodes: FloatArray,
    errors: FloatArray,
    jobs: IntArray,
    first: NDArray[np.int16],
    second: NDArray[np.int16],
) -> None:
    """Adds the votes of t machines.

    Args:
        options, toward: as in :func:`lalbench.oracle.svm_refits.refit_subset`.
        inside, place, beta, bias, gammas: as in :func:`lalbench.oracle.svm_pairs.refit_pair`.
        nodes: from :func:`nodes_of`.
        errors: (t,) likewise.
        jobs: (t,) their lines in the votes.
        first: (c + 1, m) votes for the first class, added to; it wins where the decision is > 0.
        second: (c + 1, m) votes for the other class.
    """
    t, p, m = len(gammas), len(inside), toward.shape[1]
    kind, coef0, degree = options
    decisions = np.empty((t, m))
    if len(nodes):
        _interpolate(options, toward, inside, beta, gammas, nodes, decisions)
    own = np.empty(m)
    for k in range(t):
        row = decisions[k]
        doubt = len(nodes) == 0
        if not doubt:
            for j in range(m):
                row[j] += bias[k]
            if place[k] >= 0 and beta[k, p] != 0.0:
                kernel_values(kind, toward[place[k]], gammas[k], coef0, degree, own)
                for j in range(m):
                    row[j] += beta[k, p] * own[j]
            limit = errors[k] * np.abs(beta[k]).sum()
            doubt = _smallest(row) <= limit
        if doubt:
            which = np.append(inside, place[k : k + 1])
            _decide(options, toward, which, beta[k], bias[k], gammas[k], own, row)
        _add_votes(row, first[jobs[k]], second[jobs[k]])


@jit({"contract"})
def _decide(
    options: Options,
    toward: FloatArray,
    which: IntArray,
    beta: FloatArray,
    bias: float,
    gamma: float,
    own: FloatArray,
    out: FloatArray,
) -> None:
    """Decisions (m,) of one machine from its own kernel."""
    kind, coef0, degree = options
    out[:] = bias
    for r in range(len(which)):
        if beta[r] != 0.0:
            kernel_values(kind, toward[which[r]], gamma, coef0, degree, own)
            for j in range(len(out)):
                out[j] += beta[r] * own[j]


@jit()
def _interpolate(
    options: Options,
    toward: FloatArray,
    inside: IntArray,
    beta: FloatArray,
    gammas: FloatArray,
    nodes: FloatArray,
    decisions: FloatArray,
) -> None:
    """Decisions (t, m) of the rows of the subset, without bias, between the nodes."""
    t, p, n = len(gammas), len(inside), len(nodes)
    kind, coef0, degree = options
    kernels = np.empty((n * p, toward.shape[1]))
    weighted = np.empty((t, n * p))
    for j in range(n):
        for r in range(p):
            kernel_values(kind, toward[inside[r]], nodes[j], coef0, degree, kernels[j * p + r])
        for k in range(t):
            share = 1.0
            for i in range(n):
                if i != j:
                    share *= (gammas[k] - nodes[i]) / (nodes[j] - nodes[i])
            for r in range(p):
                weighted[k, j * p + r] = share * beta[k, r]
    np.dot(weighted, kernels, decisions)


@jit({"reassoc", "nsz"})
def _smallest(values: FloatArray) -> float:
    found = np.inf
    for value in values:
        found = min(found, abs(value))
    return found


@jit()
def _add_votes(decisions: FloatArray, first: NDArray[np.int16], second: NDArray[np.int16]) -> None:
    for j in range(len(decisions)):
        wins = decisions[j] > 0.0
        first[j] += wins
        second[j] += not wins


@jit()
def most_votes(votes: NDArray[np.int16]) -> IntArray:
    """(t, m) the first class with most votes, from (K, t, m) votes."""
    n_classes, t, m = votes.shape
    found, best = np.zeros((t, m), np.int64), np.empty(m, np.int16)
    for c in range(t):
        best[:] = votes[0, c]
        for label in range(1, n_classes):
            for j in range(m):
                more = votes[label, c, j] > best[j]
                found[c, j] = label if more else found[c, j]
                best[j] = max(best[j], votes[label, c, j])
    return found
