"""Compiled: all refits of one annotated subset, and what they predict.

A machine per pair of classes is refitted with every candidate
(:mod:`lalbench.oracle.svm_pairs`); each votes for one of its classes at every evaluation point
(:mod:`lalbench.oracle.svm_decisions`), and the first class with most votes is the prediction, as in
LIBSVM.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_decisions import count_votes, most_votes, nodes_of
from lalbench.oracle.svm_pairs import refit_pair

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Options = tuple[int, float, int]


@jit()
def refit_subset(
    options: Options,
    between: FloatArray,
    itself: FloatArray,
    toward: FloatArray,
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
    labels = np.append(y[added], 0)
    votes = np.zeros((n_classes, len(gammas), toward.shape[1]), np.int16)
    for label in range(n_classes):
        if counts[label] == len(rows):
            for c in range(len(gammas)):
                votes[label, c] = 1 if not joins[c] or labels[c] == label else 0
    nodes, errors = nodes_of(options[0], gammas)
    n_failed = 0
    for first in range(n_classes):
        for second in range(first + 1, n_classes):
            complete = counts[first] > 0 and counts[second] > 0
            if complete:
                jobs = np.arange(len(gammas))
            elif counts[first] or counts[second]:
                new = second if counts[first] else first
                jobs = np.flatnonzero(joins & (labels == new))
            else:
                continue
            if len(jobs) == 0:
                continue
            inside = rows[(y[rows] == first) | (y[rows] == second)]
            own = joins[jobs] & ((labels[jobs] == first) | (labels[jobs] == second))
            place = np.where(own, np.append(added, 0)[jobs], -1)
            beta, bias, failed = refit_pair(
                options, between, itself, y == first, bounds, inside, place, gammas[jobs], complete
            )
            n_failed += failed
            count_votes(
                options, toward, inside, place, beta, bias, gammas[jobs], nodes, errors[jobs],
                jobs, votes[first], votes[second],
            )  # fmt: skip
    return most_votes(votes), n_failed
