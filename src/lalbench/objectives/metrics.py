"""The family of metrics that every record of a trial holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lalbench.errors import UserError
from lalbench.objectives.counts import Counts, FloatArray, IntArray, Labels
from lalbench.objectives.measures import (
    BalancedAccuracy,
    LogLoss,
    MacroF1,
    RarePrecision,
    WeightedAccuracy,
)
from lalbench.objectives.scorer import check_weights


def metrics(
    y: ArrayLike,
    predictions: ArrayLike,
    probabilities: FloatArray | None,
    class_weights: ArrayLike,
    rare_class: int,
) -> dict[str, float | list[float]]:
    """All metrics of one prediction set.

    The recall of a class that does not occur is nan, and so are F1 and average precision of such a
    rare class. Precision of a class that is never predicted is 0. Weights matter for
    ``weighted_accuracy`` and ``weighted_log_loss`` alone.

    Args:
        y: (n,) integer labels 0 … C - 1.
        predictions: (n,) integer predicted labels.
        probabilities: (n, C) float64, or None; then the two metrics that need them are nan.
        class_weights: (C,) non-negative weights.
        rare_class: the class of the ``rare_…`` metrics.

    Returns:
        Floats and the list ``class_recall``; larger is better except ``weighted_log_loss`` (nats).

    Raises:
        UserError: labels or weights that do not fit together.
    """
    weights = check_weights(class_weights)
    labels = Labels(y, len(weights))
    if not 0 <= rare_class < len(weights):
        raise UserError("rare_class", f"{rare_class}", f"choose from 0 to {len(weights) - 1}")
    counts = Counts(labels, np.asarray(predictions)[None])
    hits, support, predicted = counts.hits[0], counts.support, counts.predicted[0]
    recall = np.divide(hits, support, out=np.full(len(weights), np.nan), where=support > 0)
    in_rare = support[rare_class] + predicted[rare_class]
    found: dict[str, float | list[float]] = {
        "weighted_accuracy": _one(WeightedAccuracy().of_counts(counts, weights)),
        "accuracy": float(hits.sum() / support.sum()),
        "balanced_accuracy": _one(BalancedAccuracy().of_counts(counts, weights)),
        "macro_f1": _one(MacroF1().of_counts(counts, weights)),
        "rare_precision": _one(RarePrecision(rare_class).of_counts(counts, weights)),
        "rare_recall": float(recall[rare_class]),
        "rare_f1": float(2 * hits[rare_class] / in_rare) if support[rare_class] else float("nan"),
        "rare_average_precision": float("nan"),
        "weighted_log_loss": float("nan"),
        "class_recall": [float(value) for value in recall],
    }
    if probabilities is None:
        return found
    given = np.asarray(probabilities)
    ranked = average_precision(labels.y == rare_class, given[:, rare_class])
    loss = -_one(LogLoss().evaluate(labels, given[None], weights))
    return found | {"rare_average_precision": ranked, "weighted_log_loss": loss}


def average_precision(positive: NDArray[np.bool_], scores: FloatArray) -> float:
    """``Σ_k (R_k - R_{k-1}) P_k`` over the distinct score thresholds, from high to low.

    Args:
        positive: (n,) whether the point is of the class.
        scores: (n,) larger means more of the class; points with equal scores enter together.

    Returns:
        float in [0, 1]; nan without any positive point.
    """
    if not positive.any():
        return float("nan")
    order: IntArray = np.argsort(-scores, kind="stable")
    last_of_equals = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    found = np.cumsum(positive[order])[last_of_equals]
    precision = found / (last_of_equals + 1)
    return float(np.sum(np.diff(found, prepend=0) * precision) / found[-1])


def _one(values: FloatArray) -> float:
    return float(values[0])
