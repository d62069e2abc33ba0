"""Sums of sigmoids of many log-odds: what the smooth companions of two classes are made of.

A panel of sharpnesses asks for σ(T z) of every refit at every evaluation point, and for nothing but
the sums of these with soft labels. Compiled code adds several at once as it computes them, which a
library's exponential, called one by one, does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.vector_math import falling_exp

FloatArray = NDArray[np.float64]
Sums = tuple[float, float, float, float]
"""Points of class 0 predicted as 0 and as 1, then those of class 1."""

_FLAGS = {"reassoc", "contract"}
"""Sums may be reordered and fused."""


def sigmoid_sums(odds: FloatArray, labels: FloatArray, sharpness: FloatArray) -> FloatArray:
    """``Σ_i v_ic σ(-T z_i)`` and ``Σ_i v_ic σ(T z_i)`` for every row of log-odds z, class c and T.

    Both are summed: the difference of one to ``Σ_i v_ic`` has no digits left where it is small.

    Args:
        odds: (m, n) finite log-odds.
        labels: (n, 2) soft labels v.
        sharpness: (S,) positive; infinity counts the points with z ≤ 0 and those with z > 0.

    Returns:
        (S, m, 2, 2) float64, expected points of each class that are predicted as class 0 and as
        class 1; single sigmoids are right to a relative error of 1e-14.
    """
    found = np.empty((len(sharpness), len(odds), 2, 2))
    _fill(np.ascontiguousarray(odds), np.ascontiguousarray(labels.T), sharpness, found)
    return found


@jit()
def _fill(odds: FloatArray, labels: FloatArray, sharpness: FloatArray, found: FloatArray) -> None:
    for row in range(len(odds)):
        for place in range(len(sharpness)):
            if np.isinf(sharpness[place]):
                sums = _count(odds[row], labels[0], labels[1])
            else:
                sums = _soft_count(odds[row], sharpness[place], labels[0], labels[1])
            of = found[place, row]
            of[0, 0], of[0, 1], of[1, 0], of[1, 1] = sums


@jit(_FLAGS)
def _soft_count(z: FloatArray, T: float, v0: FloatArray, v1: FloatArray) -> Sums:
    a = b = c = d = 0.0
    for i in range(len(z)):
        power = falling_exp(abs(T * z[i]))
        larger = 1.0 / (1.0 + power)
        smaller = power * larger
        first = smaller if z[i] > 0 else larger
        second = larger if z[i] > 0 else smaller
        a += first * v0[i]
        b += second * v0[i]
        c += first * v1[i]
        d += second * v1[i]
    return a, b, c, d


@jit(_FLAGS)
def _count(z: FloatArray, v0: FloatArray, v1: FloatArray) -> Sums:
    a = b = c = d = 0.0
    for i in range(len(z)):
        second = 1.0 if z[i] > 0 else 0.0
        first = 1.0 - second
        a += first * v0[i]
        b += second * v0[i]
        c += first * v1[i]
        d += second * v1[i]
    return a, b, c, d
