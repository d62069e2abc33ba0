"""Compiled: decisions of machines of one pair of classes, and their votes.

A vote is for the class on whose side the decision lies. Where probabilities are wanted, log-odds
are added up as well: slope · decision for the first class, its negative for the second, if there
are more than two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_lanes import kernel_values

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Options = tuple[int, float, int]
Ballots = tuple[NDArray[np.int16], NDArray[np.int16], FloatArray, FloatArray, float]
"""(c + 1, m) votes for the first and for the second class; (c + 1, m) sums of log-odds of both,
(0, 0) for a slope of 0, of two classes those of the first and (0, m); the slope."""

_WRONG = 4e-4
"""Of log-odds: probabilities are then wrong by less than 2e-4, far more than they really are."""


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
def add_odds(
    decisions: FloatArray,
    a: int,
    begin: int,
    slope: float,
    first: FloatArray,
    second: FloatArray,
    line: int,
) -> None:
    """Log-odds of a machine; nothing is done for a slope of 0."""
    if slope > 0.0:
        for j in range(first.shape[1]):
            first[line, j] += slope * decisions[a, begin + j]
    if slope > 0.0 and len(second) > 0:
        for j in range(first.shape[1]):
            second[line, j] -= slope * decisions[a, begin + j]


@jit()
def is_sure(smallest: float, doubt: float, slope: float) -> bool:
    """Whether decisions that may be wrong by ``doubt`` are good enough for votes and log-odds."""
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
