"""What is asked of classifiers: a weighted fit, probabilities and decision values for all classes.

A classifier may have seen fewer classes than the problem has; ``classes_`` says whose its columns
are.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench.errors import UserError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def fit(
    classifier: Any,
    X: ArrayLike,
    y: ArrayLike,
    class_fit_weights: ArrayLike | None = None,
    **options: Any,
) -> Any:
    """Fits ``classifier`` and returns it.

    Args:
        classifier: anything with ``fit(X, y)``.
        X: (n, d) features.
        y: (n,) integer labels 0 … C - 1.
        class_fit_weights: (C,) weights, looked up by label (docs/protocols.md [14]) and passed as
            ``sample_weight``; or None.
        **options: further arguments of ``fit``.

    Raises:
        UserError: weights for a classifier whose ``fit`` takes no ``sample_weight``, or a label
            without a weight.
    """
    if class_fit_weights is None:
        return classifier.fit(X, y, **options)
    if "sample_weight" not in inspect.signature(classifier.fit).parameters:
        raise UserError(
            "fit_weights",
            f"{type(classifier).__name__}.fit takes no sample_weight",
            "use fit_weights: none or another classifier",
        )
    weights, labels = np.asarray(class_fit_weights, dtype=np.float64), np.asarray(y)
    if labels.size and not (labels.min() >= 0 and labels.max() < len(weights)):
        raise UserError(
            "fit_weights",
            f"{len(weights)} weights for labels {labels.min()} … {labels.max()}",
            "give one weight per class",
        )
    return classifier.fit(X, y, sample_weight=weights[labels], **options)


def probabilities(classifier: Any, X: ArrayLike, n_classes: int) -> FloatArray:
    """Class probabilities in label order; 0 for classes the classifier has not seen.

    A classifier without ``predict_proba`` (an SVM) gets a surrogate that keeps the order of its
    decision values: the logistic function of the value for two classes, the softmax of the
    one-vs-rest values for more. It is not calibrated.

    Args:
        classifier: fitted on integer labels 0 … n_classes - 1.
        X: (n, d) features.
        n_classes: number of classes of the problem.

    Returns:
        (n, n_classes) float64, rows sum to 1.

    Raises:
        UserError: neither ``predict_proba`` nor a usable ``decision_function``.
    """
    if hasattr(classifier, "predict_proba"):
        given = np.asarray(classifier.predict_proba(X), dtype=np.float64)
        seen = _classes(classifier, n_classes)
        if len(seen) == n_classes:
            return given
        found = np.zeros((len(given), n_classes))
        found[:, seen] = given
        return found
    values = decision(classifier, X, n_classes)
    from scipy.special import expit, softmax

    if values.ndim == 1:
        second = expit(values)
        return np.column_stack([1 - second, second])
    surrogate: FloatArray = softmax(values, axis=1)
    return surrogate


def decision(classifier: Any, X: ArrayLike, n_classes: int) -> FloatArray:
    """Decision values; for two classes positive values mean class 1.

    A classifier without ``decision_function`` (a forest) gets log-odds of its probabilities,
    clipped to [ε, 1 - ε] with ε = 2.2e-16.

    Args:
        classifier: fitted on integer labels 0 … n_classes - 1.
        X: (n, d) features.
        n_classes: number of classes of the problem.

    Returns:
        (n,) float64 for two classes; (n, n_classes) one-vs-rest for more, -inf for classes the
        classifier has not seen.

    Raises:
        UserError: neither ``decision_function`` nor ``predict_proba``, or one-vs-one values.
    """
    if hasattr(classifier, "decision_function"):
        seen = _classes(classifier, n_classes)
        values = np.asarray(classifier.decision_function(X), dtype=np.float64)
        return _place(_one_vs_rest(classifier, values, len(seen)), seen, n_classes)
    if hasattr(classifier, "predict_proba"):
        epsilon = float(np.finfo(np.float64).eps)
        clipped = np.clip(probabilities(classifier, X, n_classes), epsilon, 1 - epsilon)
        odds: FloatArray = np.log(clipped) - np.log1p(-clipped)
        return odds[:, 1] if n_classes == 2 else odds
    raise UserError(
        "classifiers",
        f"{type(classifier).__name__} gives neither probabilities nor decision values",
        "use another classifier or a strategy that needs neither",
    )


def _one_vs_rest(classifier: Any, values: FloatArray, n_seen: int) -> FloatArray:
    """(n, n_seen) values; scikit-learn gives one column for two classes."""
    if n_seen == 2 and values.size == len(values):
        second = values.reshape(-1)
        return np.column_stack([-second, second])
    shape = getattr(classifier, "decision_function_shape", "ovr")
    if values.shape[1:] != (n_seen,) or (shape == "ovo" and n_seen > 2):
        raise UserError(
            "classifiers",
            f"{type(classifier).__name__} gives decision values of shape {values.shape}, not one "
            f"per class",
            "set decision_function_shape: ovr or use another classifier",
        )
    return values


def _place(values: FloatArray, seen: IntArray, n_classes: int) -> FloatArray:
    if n_classes == 2:
        # both classes are among those seen: a decision function separates at least two
        return values[:, 1]
    found = np.full((len(values), n_classes), -np.inf)
    found[:, seen] = values
    return found


def _classes(classifier: Any, n_classes: int) -> IntArray:
    """The labels the classifier has seen, in the order of its columns."""
    seen = np.asarray(classifier.classes_)
    if seen.dtype.kind not in "iu" or seen.min() < 0 or seen.max() >= n_classes:
        raise UserError(
            "classifiers",
            f"{type(classifier).__name__} was fitted on the labels {seen.tolist()}",
            f"fit it on integers 0 … {n_classes - 1}",
        )
    return seen.astype(np.int64)
