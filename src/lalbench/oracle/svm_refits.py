"""Compiled: all refits of one annotated subset, and what they predict.

A machine per pair of classes is refitted with every candidate (:mod:`lalbench.oracle.svm_pairs`):
most by the linear algebra of the subset's own machine (:mod:`lalbench.oracle.svm_neighbours`), the
others by an iteration of their own (:mod:`lalbench.oracle.svm_lanes`). Each votes for one of its
classes at every evaluation point, and the first class with most votes is the prediction, as in
LIBSVM.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.oracle.svm_decisions import most_votes
from lalbench.oracle.svm_nodes import nodes_of, windows_of
from lalbench.oracle.svm_pairs import vote_pair

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Options = tuple[int, float, int]

_CANCELLED = 1e-4
"""Below this share of the mean square, a variance is computed from the rows themselves."""


CERTAIN = 1e3
"""Log-odds where all rows are of one class."""


@jit()
def refit_subsets(
    options: Options,
    kernels: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    features: tuple[FloatArray, FloatArray],
    y: IntArray,
    bounds: FloatArray,
    masks: BoolArray,
    gamma: float,
    n_classes: int,
    slope: float,
) -> tuple[NDArray[np.int16], NDArray[np.int16], FloatArray, FloatArray, int]:
    """Predictions of the refits of S subsets.

    Args:
        options: (kind, coef0, degree) of the kernel.
        kernels: (k, n) float64 squared distances or inner products of rows, the first k of which
            contain all annotated ones; (n,) of each and itself; (n, m) of rows and evaluation
            points; (m,) of each of these and itself.
        features: (n, d) float64; (2, n) sums over each row of features and of their squares, both
            less a common number.
        y: (n,) labels.
        bounds: (n,) C times the weights of the row and its class.
        masks: (S, n) annotated rows.
        gamma: γ, or -1.0 for the one that depends on the features' variance ("scale").
        n_classes: K.
        slope: of the sigmoid for probabilities, or 0.0 for none.

    Returns:
        (S, m) int16 predicted labels of the subsets; (c, m) with each of the other rows of each
        added, in the order of subsets and rows; (S, K, m) and (c, K, m) float64 probabilities of
        both, for two classes (S, 1, m) and (c, 1, m) log-odds of class 0, (0, …, 0) without;
        number of machines that were not solved.
    """
    planes = 1 if n_classes == 2 else n_classes
    m, n_failed, done = kernels[2].shape[1], 0, 0
    n_candidates, soft = masks.size - np.sum(masks), 1 if slope > 0.0 else 0
    own, found = np.empty((len(masks), m), np.int16), np.empty((n_candidates, m), np.int16)
    own_soft = np.empty((soft * len(masks), planes, soft * m))
    found_soft = np.empty((soft * n_candidates, planes, soft * m))
    for subset in range(len(masks)):
        inside, outside = np.flatnonzero(masks[subset]), np.flatnonzero(~masks[subset])
        if gamma < 0.0:
            gammas = scaled_gammas(features[0], features[1], inside, outside)
        else:
            gammas = np.full(len(outside) + 1, gamma)
        rows = inside[bounds[inside] > 0.0]
        votes, odds, failed = _refit(
            options, kernels, y, bounds, gammas, rows, outside, n_classes, slope
        )
        predictions = most_votes(votes)
        if soft:
            for label in range(planes):
                own_soft[subset, label] = odds[label, -1]
                found_soft[done : done + len(outside), label] = odds[label, :-1]
        own[subset] = predictions[-1]
        found[done : done + len(outside)] = predictions[:-1]
        done += len(outside)
        n_failed += failed
    return own, found, own_soft, found_soft, n_failed


@jit(inline=True)
def _refit(
    options: Options,
    kernels: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    y: IntArray,
    bounds: FloatArray,
    gammas: FloatArray,
    rows: IntArray,
    added: IntArray,
    n_classes: int,
    slope: float,
) -> tuple[NDArray[np.int16], FloatArray, int]:
    """(K, c + 1, m) votes with each of c rows added, last those of the subset of ``rows``.

    And their probabilities, (K, 0, 0) for a slope of 0, or (1, c + 1, m) log-odds of class 0 of
    two, and the number of machines that were not solved. All bounds of ``rows`` are positive.
    """
    between, itself, toward, beyond = kernels
    counts = np.zeros(n_classes, np.int64)
    for i in rows:
        counts[y[i]] += 1
    joins = np.append(bounds[added] > 0.0, False)
    labels, places = np.append(y[added], 0), np.append(added, -1)
    votes = np.zeros((n_classes, len(gammas), toward.shape[1]), np.int16)
    soft, planes = 1 if slope > 0.0 else 0, 1 if n_classes == 2 else n_classes
    odds = np.zeros((planes, soft * len(gammas), soft * toward.shape[1]))
    alone = np.flatnonzero(counts == len(rows))
    if len(alone):
        _count_certain(alone, joins, labels, votes, odds)
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
                less = odds[second] if planes > 1 else odds[0][:0]
                ballots = (votes[first], votes[second], odds[first], less, slope)
                n_failed += vote_pair(
                    problem, nodes, errors[chosen], complete, ballots, window[chosen]
                )
    if planes > 1:
        seen = np.zeros((n_classes, len(gammas)), np.bool_)
        for label in range(n_classes):
            seen[label] = (counts[label] > 0) | (joins & (labels == label))
        _to_probabilities(odds, seen)
    return votes, odds, n_failed


@jit()
def _count_certain(
    alone: IntArray,
    joins: BoolArray,
    labels: IntArray,
    votes: NDArray[np.int16],
    odds: FloatArray,
) -> None:
    """Votes, and log-odds of two classes, where all rows are of one, but for some candidates."""
    for label in alone:
        for c in range(len(joins)):
            certain = not joins[c] or labels[c] == label
            votes[label, c] = 1 if certain else 0
            if certain and len(odds) == 1 and odds.shape[1] > 0:
                odds[0, c] = CERTAIN if label == 0 else -CERTAIN


@jit()
def _to_probabilities(odds: FloatArray, seen: BoolArray) -> None:
    """Softmax over the (K, t) classes seen of their (K, t, m) mean log-odds, in place."""
    n_classes, t, m = odds.shape
    for c in range(t):
        n_seen = np.sum(seen[:, c])
        for j in range(m):
            largest, total = -np.inf, 0.0
            for label in range(n_classes):
                if seen[label, c]:
                    largest = max(largest, odds[label, c, j])
            for label in range(n_classes):
                if seen[label, c]:
                    odds[label, c, j] = math.exp((odds[label, c, j] - largest) / n_seen)
                else:
                    odds[label, c, j] = 0.0
                total += odds[label, c, j]
            for label in range(n_classes):
                odds[label, c, j] /= total


@jit()
def scaled_gammas(
    X: FloatArray, moments: FloatArray, inside: IntArray, outside: IntArray
) -> FloatArray:
    """(c + 1,) γ = 1 / (d var X) of a subset and each of c rows, last that of the subset."""
    c, d = len(outside), X.shape[1]
    found = np.empty(c + 1)
    total, squares = 0.0, 0.0
    for i in inside:
        total += moments[0, i]
        squares += moments[1, i]
    for k in range(c + 1):
        first, second, n = total, squares, len(inside) * d
        if k < c:
            first, second = first + moments[0, outside[k]], second + moments[1, outside[k]]
            n += d
        variance = second / n - (first / n) ** 2
        if variance <= _CANCELLED * (second / n):
            rows = np.append(inside, outside[k : k + 1])
            variance = X[rows].var()
        found[k] = 1.0 / (d * variance) if variance > 0.0 else 1.0
    return found
