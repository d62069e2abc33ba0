"""Compiled: decisions of machines of one pair of classes, and their votes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_lanes import LINEAR, POLY, kernel_values

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Options = tuple[int, float, int]

_MAX_NODES = 8
_FEW_DOUBTS = 5e-7
"""Error of interpolated kernels that leaves few decisions in doubt."""
_MANY_DOUBTS = 1e-4
_MANY, _NARROW, _WIDE = 500, 1.13, 1.6
"""Number of machines from which a window is narrow; largest γ of a window by the smallest."""
_ROUNDING = 1e-13


@jit()
def windows_of(gammas: FloatArray) -> list[IntArray]:
    """Numbers of machines in groups of similar γ, ordered by it.

    Nodes cost by machine and by group, so that many machines are worth more groups of fewer nodes.
    """
    order = np.argsort(gammas, kind="mergesort")
    ratio = _NARROW if len(gammas) >= _MANY else _WIDE
    found, begin = [], 0
    for k in range(1, len(order) + 1):
        if k == len(order) or gammas[order[k]] > ratio * gammas[order[begin]]:
            found.append(order[begin:k])
            begin = k
    return found


@jit()
def nodes_of(
    kind: int, coef0: float, degree: int, gammas: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Equidistant nodes of γ for the kernels of all machines, and the errors between them.

    Lagrange's remainder for J nodes is at most |Π (γ − node)| max_D Dᴶ exp(−γ D) / J!; the maximum
    over D ≥ 0 is (J / (e γ))ᴶ. A polynomial kernel is a polynomial in γ, so it has no remainder.

    Returns:
        (J,) nodes, none where too many would be needed; (t,) errors relative to the largest kernel.
    """
    low, high = gammas.min(), gammas.max()
    errors = np.full(len(gammas), _ROUNDING)
    if kind == LINEAR or low == high:
        return np.array([low]), errors
    middle, half = (low + high) / 2, (high - low) / 2
    n, steepest = 1, 0.0
    if kind == POLY:
        n = degree + 1
        if n > _MAX_NODES or coef0 < 0.0:  # a negative coef0 gives no kernel of a function space
            return np.empty(0), errors
    else:
        worst = np.inf
        while worst > _FEW_DOUBTS and n < _MAX_NODES:
            n += 1
            steepest = (n / (math.e * low)) ** n / math.gamma(n + 1.0)
            worst = 2 * (half / 2) ** n * steepest
        if worst > _MANY_DOUBTS:
            return np.empty(0), errors
    # the outermost are Chebyshev's
    nodes = middle + half * np.cos(np.pi / (2 * n)) * np.linspace(-1.0, 1.0, n)
    for c in range(len(gammas)):
        errors[c] += abs(np.prod(gammas[c] - nodes)) * steepest
    return nodes, errors


@jit({"contract"})
def decide(
    options: Options,
    toward: FloatArray,
    which: IntArray,
    beta: FloatArray,
    bias: float,
    gamma: float,
    own: FloatArray,
    out: FloatArray,
) -> None:
    """Decisions of one machine from its own kernel.

    Args:
        options, toward: as in :func:`lalbench.oracle.svm_refits.refit_subsets`.
        which: (n,) its rows.
        beta: (≥ n,) coefficients.
        bias: the bias.
        gamma: γ.
        own: (m,) overwritten.
        out: (m,) out.
    """
    kind, coef0, degree = options
    out[:] = bias
    for r in range(len(which)):
        if beta[r] != 0.0:
            kernel_values(kind, toward[which[r]], gamma, coef0, degree, own)
            for j in range(len(out)):
                out[j] += beta[r] * own[j]


@jit()
def add_votes(
    decisions: FloatArray,
    a: int,
    begin: int,
    first: NDArray[np.int16],
    second: NDArray[np.int16],
    line: int,
) -> None:
    """Votes of a machine: for the first class where the decision is > 0, else for the second.

    Decisions are in line ``a`` from column ``begin`` on, votes in line ``line``.
    """
    for j in range(first.shape[1]):
        wins = decisions[a, begin + j] > 0.0
        first[line, j] += wins
        second[line, j] += not wins


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
