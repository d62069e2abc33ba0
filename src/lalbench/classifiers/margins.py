"""Probabilities from the margins of classifiers that give none (Platt 1999, without an intercept).

The sigmoid has no intercept, so that it leaves the predictions as they are: for two classes the
more probable one is the one that the classifier predicts.
"""

from __future__ import annotations

import copy
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

    For two classes p = σ(slope · margin). For more it is the mean of those of a class against each
    other class, from the machines of the pairs for ``SVC`` (``2 / (K (K - 1)) Σ_b σ(slope f_ab)``)
    and from differences of one-vs-rest values for others.

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
    from scipy.special import expit

    seen = np.asarray(classifier.classes_)
    found = np.zeros((len(np.asarray(X)), n_classes))
    for a, b, margins in _pairs(classifier, X, len(seen)):
        # 1 - p would lose the digits of a small p
        found[:, seen[a]] += expit(slope * margins)
        found[:, seen[b]] += expit(-slope * margins)
    return found / (len(seen) * (len(seen) - 1) / 2)


def fit_slope(
    classifier: Any,
    X: ArrayLike,
    y: ArrayLike,
    fit_weights: FloatArray | None = None,
    n_folds: int = 5,
) -> float:
    """The slope with the least log loss of held-out rows.

    Margins come from stratified folds (:mod:`lalbench.classifiers.folds`); of several classes each
    row counts in the pairs of its own. Where all n margins are on the right side, likelihood has no
    maximum, and labels count as right with probability (n + 1) / (n + 2) only (Platt's targets).

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
    signed = [np.empty(0)]
    for fold in range(folds.max() + 1):
        train, held = folds != fold, folds == fold
        if len(np.unique(labels[train])) < 2:
            continue
        fitted = fit(clone(classifier), rows[train], labels[train], fit_weights)
        seen = np.asarray(fitted.classes_)
        for a, b, margins in _pairs(fitted, rows[held], len(seen)):
            first, second = labels[held] == seen[a], labels[held] == seen[b]
            signed += [margins[first], -margins[second]]
    own = np.concatenate(signed)
    if not len(own):
        return 1.0

    doubt = 1 / (len(own) + 2) if (own > 0).all() else 0.0

    def loss(logarithm: float) -> float:
        scaled = np.exp(logarithm) * own
        return float(np.logaddexp(0, -scaled).mean() + doubt * scaled.mean())

    best = minimize_scalar(loss, bounds=(_LOWEST, _HIGHEST), method="bounded")
    return float(np.exp(best.x))


def _pairs(classifier: Any, X: ArrayLike, n_seen: int) -> list[tuple[int, int, FloatArray]]:
    """Places of two classes and the (n,) margins of the first against the second, for all pairs."""
    places = [(a, b) for a in range(n_seen) for b in range(a + 1, n_seen)]
    if n_seen == 2:
        values = np.asarray(classifier.decision_function(X), dtype=np.float64)
        return [(1, 0, values.reshape(-1))]
    if getattr(classifier, "decision_function_shape", None) == "ovr":
        machines = copy.copy(classifier)
        machines.decision_function_shape = "ovo"
        values = np.asarray(machines.decision_function(X), dtype=np.float64)
        return [(a, b, values[:, k]) for k, (a, b) in enumerate(places)]
    values = decision(classifier, X, n_seen)
    return [(a, b, values[:, a] - values[:, b]) for a, b in places]
