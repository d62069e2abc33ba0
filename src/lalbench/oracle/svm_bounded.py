"""Compiled: machines all of whose coefficients are on a bound.

Sample weights that balance the classes make them common: where the bounds of the first class's rows
add up to those of the second's, all rows may be at theirs. The coefficients do not depend on γ
then. The optimality conditions leave an interval for the bias, and LIBSVM takes its middle.

Kernels are interpolated between nodes of γ, and rounded to single precision by LIBSVM's training:
the decisions Kβ may be wrong by the sum r of those errors times |β|, the ends of the interval
likewise. So the coefficients are optimal, and alone so, where the interval is longer than 2r, and
the sign of a decision is right where its size is above 2r.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_certificate import SINGLE, reach_of, smallest
from lalbench.oracle.svm_decisions import Ballots, add_odds, add_votes, is_sure
from lalbench.oracle.svm_nodes import (
    kernels_at,
    kernels_of,
    shares_of,
    targets_of,
    write_constants,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_TOGETHER = 64
"""Machines at a time: what they need stays in the processor's cache."""


@jit(inline=True)
def vote_bounded(
    problem: tuple[Any, ...],
    nodes: FloatArray,
    errors: FloatArray,
    start: FloatArray,
    ballots: Ballots,
    jobs: IntArray,
) -> BoolArray:
    """Adds the votes of machines whose coefficients stay on their bounds, a candidate's at 0.

    Args:
        problem: of a pair (:func:`lalbench.oracle.svm_pairs.vote_pair`), with t jobs.
        nodes: (J,) equidistant γ, from :func:`lalbench.oracle.svm_nodes.nodes_of`.
        errors: (t,) likewise.
        start: (p,) states of the subset's machine, none of them 0.
        ballots: added to.
        jobs: (t,) lines of the machines in the votes.

    Returns:
        (t,) whether a machine has got its votes.
    """
    t, p, n_nodes = len(jobs), len(start), len(nodes)
    first, second, more, less, slope = ballots
    done, order = np.zeros(t, np.bool_), np.arange(p)
    targets = targets_of(problem, order, start)
    plus, minus = _sums(targets)
    if plus != minus:  # the states are not those of a solution
        return done
    kernels, reach = kernels_at(problem, nodes, order, 0), reach_of(problem)
    write_constants(targets, 0, kernels)
    for begin in range(0, t, _TOGETHER):
        which = np.arange(begin, min(begin + _TOGETHER, t))
        values = np.dot(shares_of(nodes, problem[7][which]), kernels[:n_nodes])
        k, joining = kernels_of(problem, order, 0, which)
        for a in range(len(which)):
            wrong = (errors[which[a]] + SINGLE) * (plus + minus) * reach
            low, high = _interval(targets, values, k, joining, a)
            if not 2.0 * wrong < high - low < np.inf:
                continue
            for c in range(p + 1, values.shape[1]):
                values[a, c] += (low + high) / 2.0
            if is_sure(smallest(values, a, p + 1), 2.0 * wrong, slope):
                done[which[a]] = True
                add_votes(values, a, p + 1, first, second, jobs[which[a]])
                add_odds(values, a, p + 1, slope, more, less, jobs[which[a]])
    return done


@jit(borrows=True)
def _sums(targets: FloatArray) -> tuple[float, float]:
    """Of the positive coefficients and of the sizes of the negative ones, in the rows' order."""
    plus, minus = 0.0, 0.0
    for i in range(1, targets.shape[1]):
        value = targets[1, i] if targets[3, i] < 0.0 else targets[2, i]
        plus += max(value, 0.0)
        minus += max(-value, 0.0)
    return plus, minus


@jit(borrows=True)
def _interval(
    targets: FloatArray, values: FloatArray, k: FloatArray, joining: FloatArray, a: int
) -> tuple[float, float]:
    """The biases with which machine a is optimal, its candidate's coefficient being 0.

    Args:
        targets: (4, p + 1) of the rows, from :func:`lalbench.oracle.svm_nodes.targets_of`.
        values: (c, ≥ p + 1) decisions at the rows without bias.
        k: (c, p + 2) kernels of candidates.
        joining: (c,) their targets, 0.0 without one.
        a: a line of the last three.
    """
    low, high, own = -np.inf, np.inf, 0.0
    for i in range(1, targets.shape[1]):
        bias = targets[0, i] - values[a, i]
        if targets[3, i] < 0.0:
            low = max(low, bias)
            own += targets[1, i] * k[a, i]
        else:
            high = min(high, bias)
            own += targets[2, i] * k[a, i]
    if joining[a] > 0.0:
        low = max(low, 1.0 - own)
    elif joining[a] < 0.0:
        high = min(high, -1.0 - own)
    return low, high
