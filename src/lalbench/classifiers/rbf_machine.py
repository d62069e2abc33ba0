"""scikit-learn's SVM with an RBF kernel, its decisions compiled.

libsvm evaluates the kernel one value at a time. A label model is asked about a whole pool in every
step, which took longer than its fit; here the support vectors stand in the processor's lanes.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC

from lalbench.jit import jit
from lalbench.vector_math import falling_exp

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class RbfMachine:
    """``SVC()``: kernel exp(-γ |x - x'|²), C = 1, γ = 1 / (number of features · variance).

    Args:
        seed: of scikit-learn's class; its fit draws nothing without probabilities.

    Attributes:
        classes_: labels that it has seen.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def fit(self, X: FloatArray, y: IntArray) -> Self:
        """Fits (n, d) features with (n,) labels of at least two classes."""
        variance = X.var()
        self._gamma = float(1.0 / (X.shape[1] * variance)) if variance != 0 else 1.0
        self._machine = SVC(gamma=self._gamma, random_state=self._seed).fit(X, y)
        self.classes_: IntArray = self._machine.classes_
        return self

    def decision_function(self, X: FloatArray) -> FloatArray:
        """(n,) float64 for two classes, positive for the second; else (n, classes) one-vs-rest."""
        machine = self._machine
        if len(self.classes_) > 2:
            votes: FloatArray = machine.decision_function(X)
            return votes
        found = np.empty(len(X))
        _decide(
            np.ascontiguousarray(X, dtype=np.float64),
            np.ascontiguousarray(machine.support_vectors_.T), machine.dual_coef_[0].copy(),
            self._gamma, float(machine.intercept_[0]), found,
        )  # fmt: skip
        return found


@jit({"reassoc", "contract"})
def _decide(
    X: FloatArray, vectors: FloatArray, coefficients: FloatArray, gamma: float, bias: float,
    found: FloatArray,
) -> None:  # fmt: skip
    """Writes ``bias + Σ_j coefficients_j exp(-γ |x - x_j|²)``, ``vectors`` (d, m) in columns."""
    square = np.empty(len(coefficients))
    for i in range(len(X)):
        square[:] = 0.0
        for d in range(len(vectors)):
            for j in range(len(square)):
                gap = X[i, d] - vectors[d, j]
                square[j] += gap * gap
        total = bias
        for j in range(len(square)):
            total += coefficients[j] * falling_exp(gamma * square[j])
        found[i] = total
