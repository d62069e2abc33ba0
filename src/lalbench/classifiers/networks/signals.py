"""What one pass of a network gives to strategies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Signals:
    """Outputs of a network in evaluation mode and without augmentation, on the CPU.

    Attributes:
        logits: (n, K) float32, one column per label of ``classes``.
        embeddings: (n, D) float32 or float16, input of the last linear layer.
        classes: (K,) int64 labels that the network has seen in training, ascending.
        losses: (n,) float64 losses that a loss head predicts; None without one.
        stages: four arrays (n, C_s), global averages of the stage outputs; None unless asked for.
    """

    logits: NDArray[np.float32]
    embeddings: NDArray[Any]
    classes: IntArray
    losses: FloatArray | None = None
    stages: tuple[NDArray[Any], ...] | None = None

    def probabilities(self, n_classes: int) -> FloatArray:
        """(n, n_classes) float64 softmax of the logits; 0 for labels that were never seen."""
        shifted = self.logits.astype(np.float64)
        shifted -= shifted.max(axis=1, keepdims=True)
        np.exp(shifted, out=shifted)
        shifted /= shifted.sum(axis=1, keepdims=True)
        if len(self.classes) == n_classes:
            return shifted
        found = np.zeros((len(shifted), n_classes))
        found[:, self.classes] = shifted
        return found
