"""What the classifier said of the points that a strategy chose, before it had their labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lalbench.classifiers import probabilities
from lalbench.strategies.base import LearningState

IntArray = NDArray[np.int64]


def acquired_probabilities(state: LearningState, chosen: IntArray) -> list[float]:
    """Probability of class 0 that the classifier of a state gives to chosen pool points.

    Only the chosen points are passed to the classifier, as pools may have a million; a network that
    has been over the whole pool for its strategy is not asked again. Nothing is drawn.

    Args:
        state: what the strategy saw.
        chosen: (budget,) int64 positions in the pool.

    Returns:
        One number per position, in that order; empty for more than two classes, and for a
        classifier without ``predict_proba``.
    """
    if state.n_classes != 2 or not hasattr(state.classifier, "predict_proba"):
        return []
    signals = vars(state).get("signals")  # the cached property, if anybody asked for it
    if signals is not None:
        found = signals.probabilities(state.n_classes)[chosen]
    else:
        found = probabilities(state.classifier, state.X_pool[chosen], state.n_classes)
    return [float(number) for number in found[:, 0]]
