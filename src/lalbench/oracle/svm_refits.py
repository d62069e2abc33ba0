"""Compiled: all refits of one annotated subset, and what they predict.

A machine per pair of classes is refitted with every candidate (:mod:`lalbench.oracle.svm_pairs`):
most by the linear algebra of the subset's own machine (:mod:`lalbench.oracle.svm_neighbours`), the
others by an iteration of their own (:mod:`lalbench.oracle.svm_lanes`). Each votes for one of its
classes at every evaluation point, and the first class with most votes is the prediction, as in
LIBSVM.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_decisions import most_votes, nodes_of, windows_of
from lalbench.oracle.svm_pairs import vote_pair

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Options = tuple[int, float, int]


@jit()
def refit_subset(
    options: Options,
    between: FloatArray,
    itself: FloatArray,
    toward: FloatArray,
    beyond: FloatArray,
    y: IntArray,
    bounds: FloatArray,
    gammas: FloatArray,
    rows: IntArray,
    added: IntArray,
    n_classes: int,
) -> tuple[IntArray, int]:
    """Predictions of a subset's refits.

    Args:
        options: (kind, coef0, degree) of the kernel.
        between: (n, n) float64 squared distances or inner products of rows; only the lines of
            ``rows`` are read.
        itself: (n,) its diagonal.
        toward: (n, m) the same between rows and evaluation points.
        beyond: (m,) the same of evaluation points and themselves.
        y: (n,) labels.
        bounds: (n,) C times the weights of the row and its class.
        gammas: (c + 1,) γ with each candidate added, last that of the subset.
        rows: (k,) row numbers of the subset, all with positive bounds.
        added: (c,) row numbers of the candidates.
        n_classes: K.

    Returns:
        (c + 1, m) int64 predicted labels, last those of the subset; number of machines that were
        not solved.
    """
    counts = np.zeros(n_classes, np.int64)
    for i in rows:
        counts[y[i]] += 1
    joins = np.append(bounds[added] > 0.0, False)
    labels, places = np.append(y[added], 0), np.append(added, -1)
    votes = np.zeros((n_classes, len(gammas), toward.shape[1]), np.int16)
    for label in range(n_classes):
        if counts[label] == len(rows):
            for c in range(len(gammas)):
                votes[label, c] = 1 if not joins[c] or labels[c] == label else 0
    n_failed = 0
    for window in windows_of(gammas):
        part = gammas[window]
        nodes, errors = nodes_of(options[0], options[1], options[2], part)
        for first in range(n_classes):
            for second in range(first + 1, n_classes):
                complete = counts[first] > 0 and counts[second] > 0
                own = joins[window] & ((labels[window] == first) | (labels[window] == second))
                # where a class is missing, its candidates alone make a machine
                new = (counts[labels[window]] == 0) & (counts[first] + counts[second] > 0)
                chosen = np.flatnonzero((own & new) | complete)
                if len(chosen) == 0:
                    continue
                inside = rows[(y[rows] == first) | (y[rows] == second)]
                # one more for the subset itself, in the middle of the window
                problem = (
                    options, between, itself, y == first, bounds, inside,
                    np.append(np.where(own[chosen], places[window[chosen]], -1), -1),
                    np.append(part[chosen], (part.min() + part.max()) / 2), toward, beyond,
                )  # fmt: skip
                n_failed += vote_pair(
                    problem, nodes, errors[chosen], complete, votes[first], votes[second],
                    window[chosen],
                )  # fmt: skip
    return most_votes(votes), n_failed


@jit()
def variances_with(
    moments: FloatArray, inside: IntArray, outside: IntArray, d: int, least: float
) -> tuple[FloatArray, BoolArray]:
    """Variances of all features of a subset and one more row together.

    Args:
        moments: (2, n) sums over each row of features and of their squares.
        inside: (k,) row numbers of the subset.
        outside: (c,) row numbers of candidates.
        d: number of features.
        least: share of the mean square below which a variance has lost digits.

    Returns:
        (c + 1,) variances, last that of the subset; (c + 1,) whether one has lost digits.
    """
    c = len(outside)
    found, cancelled = np.empty(c + 1), np.empty(c + 1, np.bool_)
    total, squares = 0.0, 0.0
    for i in inside:
        total += moments[0, i]
        squares += moments[1, i]
    for k in range(c + 1):
        first, second, n = total, squares, len(inside) * d
        if k < c:
            first, second = first + moments[0, outside[k]], second + moments[1, outside[k]]
            n += d
        found[k] = second / n - (first / n) ** 2
        cancelled[k] = found[k] <= least * (second / n)
    return found, cancelled
