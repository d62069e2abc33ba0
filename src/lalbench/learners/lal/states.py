"""What LAL knows of a candidate: the state of the classifier and what it says of the point.

Konyushkova, Sznitman and Fua (2017), with the eight columns of their released data. No column holds
the features of the point, so a regressor learned on one data set can be used on another.

With more than two classes a candidate has one state per class, that class against all others: its
probability takes the place of that of class 0, and the share of the others that of class 1.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench.forests import Forest

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FOREST = (
    "probability",
    "deviation",
    "share",
    "out_of_bag",
    "importance_spread",
    "mean_deviation",
    "depth",
    "size",
)
"""Columns of a forest: f1 … f8 of the released data sets.

``probability``: mean over the trees of the predicted probability of class 0; ``deviation``: its
standard deviation over the trees (ddof 0); ``share``: of class 1 among the annotated points;
``out_of_bag``: accuracy; ``importance_spread``: standard deviation (ddof 0) of the feature
importances divided by the number of features; ``mean_deviation``: mean of ``deviation`` over the
pool; ``depth``: mean depth of the trees; ``size``: number of annotated points.
"""

GAUSSIAN_PROCESS = ("probability", "deviation", "share", "mean_deviation", "size")
"""Columns of scikit-learn's Gaussian process classifier for two classes; ``deviation`` is that of
the latent function at the point. It has no trees, no bag and no importances.
"""

PROBABILISTIC = ("probability", "share", "size")
"""Columns of any other classifier with ``predict_proba``, for example logistic regression."""


def columns_of(classifier: Any) -> tuple[str, ...]:
    """Names of the columns that a classifier has, fitted or not."""
    if _is_forest(classifier):
        return FOREST
    theirs = sys.modules.get("sklearn.gaussian_process")
    if theirs is not None and isinstance(classifier, theirs.GaussianProcessClassifier):
        return GAUSSIAN_PROCESS
    return PROBABILISTIC


def states(
    classifier: Any,
    y_annotated: IntArray,
    X: ArrayLike,
    n_classes: int,
    *,
    positive: int = 0,
    places: IntArray | None = None,
    mean_over: str = "pool",
) -> FloatArray:
    """States of candidates at one step.

    Args:
        classifier: fitted on the annotated points with integer labels 0 … n_classes - 1.
        y_annotated: (n_annotated,) their labels.
        X: (n_pool, d) pool.
        n_classes: number of classes of the problem.
        positive: the class whose probability is f1.
        places: (m,) positions of the candidates in the pool; default all.
        mean_over: the points whose mean is f6: ``"pool"`` or ``"candidates"``.

    Returns:
        (m, n_columns) float64 in the order of :func:`columns_of`.
    """
    names = columns_of(classifier)
    rows = np.asarray(X)
    chosen = slice(None) if places is None else places
    everything = "mean_deviation" in names and mean_over == "pool"
    seen = rows if everything else rows[chosen]
    forest = _forest_of(classifier) if names == FOREST else None
    probability, deviation = _said(classifier, forest, seen, n_classes, positive)
    columns: dict[str, Any] = {
        "probability": probability,
        "share": float((np.asarray(y_annotated) != positive).mean()),
        "size": float(len(y_annotated)),
    }
    if "mean_deviation" in names:
        columns |= {"deviation": deviation, "mean_deviation": float(deviation.mean())}
    if forest is not None:
        columns |= _forest_columns(classifier, forest)
    found = np.empty((len(seen), len(names)))
    for place, name in enumerate(names):
        found[:, place] = columns[name]
    return found[chosen] if everything else found


def _said(
    classifier: Any, forest: Forest | None, X: NDArray[Any], n_classes: int, positive: int
) -> tuple[FloatArray, FloatArray]:
    """(n,) probability of a class and (n,) deviation; NaN where there is none."""
    from lalbench import classifiers

    labels = [int(label) for label in classifier.classes_]
    if forest is not None:
        if positive not in labels:
            return np.zeros(len(X)), np.zeros(len(X))
        return forest.mean_and_deviation(X, labels.index(positive))
    probability = classifiers.probabilities(classifier, X, n_classes)[:, positive]
    if columns_of(classifier) == GAUSSIAN_PROCESS:
        _, variance = classifier.latent_mean_and_variance(X)
        return probability, np.sqrt(np.maximum(variance, 0.0))
    return probability, np.full(len(X), np.nan)


def _forest_columns(classifier: Any, forest: Forest) -> dict[str, float]:
    importances = np.asarray(classifier.feature_importances_)
    if not hasattr(classifier, "oob_score_"):
        from lalbench.errors import UserError

        raise UserError(
            "classifiers",
            f"{type(classifier).__name__} without its out-of-bag score",
            "set options: {oob_score: true}, or take the classifier random_forest",
        )
    return {
        "out_of_bag": float(classifier.oob_score_),
        "importance_spread": float(np.std(importances / len(importances))),
        "depth": float(forest.depths().mean()),
    }


def _is_forest(classifier: Any) -> bool:
    from lalbench.classifiers.random_forest import RandomForest

    if isinstance(classifier, RandomForest):
        return True
    # without scikit-learn loaded it cannot be one of its classifiers
    theirs = sys.modules.get("sklearn.ensemble")
    kinds = () if theirs is None else (theirs.RandomForestClassifier, theirs.ExtraTreesClassifier)
    return isinstance(classifier, kinds)


def _forest_of(classifier: Any) -> Forest:
    own = getattr(classifier, "forest_", None)
    return own if isinstance(own, Forest) else Forest.from_sklearn(classifier)
