"""Probabilities from the margins of classifiers that give none (Platt 1999, without an intercept).

The sigmoid has no intercept, so that it leaves the predictions as they are: for two classes the
more probable one is the one that the classifier predicts.
"""

from __future__ import annotations

import copy
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench.classifiers.folds import stratified_folds
from lalbench.classifiers.registry import clone
from lalbench.classifiers.signals import decision, fit, probabilities
from lalbench.errors import UserError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_LOWEST, _HIGHEST = -5.0, 7.0
"""Of the logarithm of a slope."""


def soft_probabilities(classifier: Any, X: ArrayLike, n_classes: int, slope: float) -> FloatArray:
    """Class probabilities of any classifier, by a sigmoid of its margins if it has none.

    For two classes p = σ(slope · margin). For more it is the softmax of slope · s_a, where s_a is
    the one-vs-rest value of class a, or for ``SVC`` the mean ``1/K Σ_b f_ab`` over the machines
    against each of the K classes seen: log p_a - log p_b = slope · f_ab in the least squares over
    all pairs.

    Args:
        classifier: fitted on integer labels 0 … n_classes - 1.
        X: (n, d) features.
        n_classes: C.
        slope: positive.

    Returns:
        (n, n_classes) float64, rows sum to 1; 0 for classes the classifier has not seen.

    Raises:
        UserError: neither probabilities nor decision values.
    """
    if hasattr(classifier, "predict_proba"):
        return probabilities(classifier, X, n_classes)
    if not hasattr(classifier, "decision_function"):
        raise UserError(
            "classifier",
            f"{type(classifier).__name__} gives neither probabilities nor decision values",
            "choose one with predict_proba or decision_function",
        )
    from scipy.special import expit, softmax

    seen, values = _values(classifier, X)
    found = np.zeros((len(values), n_classes))
    if len(seen) == 2:
        # 1 - p would lose the digits of a small p
        found[:, seen[1]] = expit(slope * values[:, 1])
        found[:, seen[0]] = expit(-slope * values[:, 1])
    else:
        found[:, seen] = softmax(slope * values, axis=1)
    return found


def fit_slope(
    classifier: Any,
    X: ArrayLike,
    y: ArrayLike,
    fit_weights: FloatArray | None = None,
    n_folds: int = 5,
) -> float:
    """The slope with the least log loss of held-out rows.

    Margins come from stratified folds (:mod:`lalbench.classifiers.folds`). Where all n of them are
    on the right side, likelihood has no maximum, and labels count as right with probability
    (n + 1) / (n + 2) only (Platt's targets).

    Args:
        classifier: cloned, for example ``SVC``.
        X: (n, d) features.
        y: (n,) integer labels.
        fit_weights: (n_classes,) weights in training, or None.
        n_folds: number of folds.

    Returns:
        The slope, from e^-5 to e^7; 1.0 where no pair of classes can be held out.
    """
    from scipy.optimize import minimize_scalar

    rows, labels = np.asarray(X, dtype=np.float64), np.asarray(y)
    folds = stratified_folds(labels, n_folds)
    against: list[FloatArray] = []
    for fold in range(folds.max() + 1):
        train, held = folds != fold, folds == fold
        if len(np.unique(labels[train])) < 2:
            continue
        fitted = fit(clone(classifier), rows[train], labels[train], fit_weights)
        against += _against(fitted, rows[held], labels[held])
    if not sum(map(len, against)):
        return 1.0
    most = max(each.shape[1] for each in against)
    others = np.concatenate([_widened(each, most) for each in against])
    known = others[np.isfinite(others)]
    doubt = 1 / (len(others) + 2) if (known < 0).all() else 0.0
    own = np.zeros((len(others), 1))

    def loss(logarithm: float) -> float:
        k = np.exp(logarithm)
        every = np.concatenate([own, k * others], axis=1)
        return float(np.logaddexp.reduce(every, axis=1).mean() - doubt * (k * known).mean())

    best = minimize_scalar(loss, bounds=(_LOWEST, _HIGHEST), method="bounded")
    return float(np.exp(best.x))


def _against(classifier: Any, X: FloatArray, y: IntArray) -> list[FloatArray]:
    """(n_c, K - 1) values of the other classes less the own one, for rows of each class seen."""
    seen, values = _values(classifier, X)
    found = []
    for place in reversed(range(len(seen))):
        rows = values[y == seen[place]]
        found.append(np.delete(rows, place, axis=1) - rows[:, [place]])
    return found


def _widened(values: FloatArray, n_columns: int) -> FloatArray:
    """-inf in the columns of classes that were not seen."""
    missing = np.full((len(values), n_columns - values.shape[1]), -np.inf)
    return np.concatenate([values, missing], axis=1)


def _values(classifier: Any, X: ArrayLike) -> tuple[IntArray, FloatArray]:
    """(K,) classes seen and (n, K) values, whose differences times the slope are log-odds."""
    seen = np.asarray(classifier.classes_, dtype=np.int64)
    if len(seen) == 2:
        margins = np.asarray(classifier.decision_function(X), dtype=np.float64).reshape(-1)
        return seen, np.column_stack([np.zeros(len(margins)), margins])
    if getattr(classifier, "decision_function_shape", None) is None:
        return seen, decision(classifier, X, int(seen.max()) + 1)[:, seen]
    machines = copy.copy(classifier)
    machines.decision_function_shape = "ovo"
    by_pair = np.asarray(machines.decision_function(X), dtype=np.float64)
    values = np.zeros((len(by_pair), len(seen)))
    for k, (a, b) in enumerate(combinations(range(len(seen)), 2)):
        values[:, a] += by_pair[:, k]
        values[:, b] -= by_pair[:, k]
    return seen, values / len(seen)
