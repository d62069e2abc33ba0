"""The exact engine for scikit-learn's ``SVC``: all refits of many subsets together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lalbench.objectives import Scorer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

APPLIES_TO = "it is for scikit-learn's SVC"


def applies(classifier: Any, scorer: Scorer) -> bool:
    """Whether this engine computes the optimum of ``classifier``."""
    return False


def score_refits(
    classifier: Any,
    X: FloatArray,
    y: IntArray,
    masks: BoolArray,
    scorer: Scorer,
    weights: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """Scores of every annotated subset and of each of them with one more row."""
    raise NotImplementedError
