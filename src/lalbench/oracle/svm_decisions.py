"""Compiled: decisions of machines of one pair of classes, and their votes.

A vote is for the class on whose side the decision lies. Where probabilities are wanted a machine
has shares as well: σ(slope · decision) for the first class, the rest for the second. The only
machine of two classes has log-odds, slope · decision, in their place.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_lanes import kernel_values

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Options = tuple[int, float, int]
Ballots = tuple[NDArray[np.int16], NDArray[np.int16], FloatArray, FloatArray, float]
"""(c + 1, m) votes for the first and for the second class; (c + 1, m) shares of both, (0, 0) for a
slope of 0, or log-odds of the first and (0, m) for two classes; the slope."""

_WRONG = 4e-4
"""Of log-odds: shares are then wrong by less than 1e-4, a bound that is far above what they are."""


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


@jit(borrows=True)
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


@jit(borrows=True)
def add_shares(
    decisions: FloatArray,
    a: int,
    begin: int,
    slope: float,
    first: FloatArray,
    second: FloatArray,
    line: int,
) -> None:
    """Shares or log-odds of a machine; nothing is done for a slope of 0."""
    if slope > 0.0 and len(second) == 0:
        for j in range(first.shape[1]):
            first[line, j] += slope * decisions[a, begin + j]
    elif slope > 0.0:
        for j in range(first.shape[1]):
            odds = slope * decisions[a, begin + j]
            # 1 - p would lose the digits of a small p
            first[line, j] += 1.0 / (1.0 + math.exp(-odds))
            second[line, j] += 1.0 / (1.0 + math.exp(odds))


@jit()
def is_sure(smallest: float, doubt: float, slope: float) -> bool:
    """Whether decisions that may be wrong by ``doubt`` are good enough for votes and shares."""
    return smallest > doubt and slope * doubt < _WRONG


@jit()
def most_votes(votes: NDArray[np.int16]) -> NDArray[np.int16]:
    """(t, m) the first class with most votes, from (K, t, m) votes."""
    n_classes, t, m = votes.shape
    found, best = np.zeros((t, m), np.int16), np.empty(m, np.int16)
    for c in range(t):
        best[:] = votes[0, c]
        for label in range(1, n_classes):
            for j in range(m):
                more = votes[label, c, j] > best[j]
                found[c, j] = np.int16(label) if more else found[c, j]
                best[j] = max(best[j], votes[label, c, j])
    return found
