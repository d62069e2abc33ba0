"""Sums of sigmoids of many log-odds: what the smooth companions of two classes are made of.

A panel of sharpnesses asks for σ(T z) of every refit at every evaluation point, and for nothing but
the sums of these with soft labels. Compiled code keeps the sigmoids in the processor's cache and
computes several at once, which a library's exponential, called one by one, does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit

FloatArray = NDArray[np.float64]

_LARGEST = 700.0
"""exp(-700) is 1e-304: beyond it a sigmoid is 0 or 1 to any use."""
_LOG2E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10
_ROUND = 6755399441055744.0
"""1.5 · 2^52: what is added to it is rounded to an integer, which stands in its lowest bits."""
_ONE = np.int64(1023) << np.int64(52)
_COEFFICIENTS = tuple(1.0 / float(np.prod(np.arange(1, k + 1, dtype=float))) for k in range(13))


def sigmoid_sums(odds: FloatArray, labels: FloatArray, sharpness: FloatArray) -> FloatArray:
    """``Σ_i v_ic σ(-T z_i)`` and ``Σ_i v_ic σ(T z_i)`` for every row of log-odds z, class c and T.

    Both are summed: the difference of one to ``Σ_i v_ic`` has no digits left where it is small.

    Args:
        odds: (m, n) finite log-odds.
        labels: (n, C) soft labels v.
        sharpness: (S,) positive; infinity counts the points with z ≤ 0 and those with z > 0.

    Returns:
        (S, m, C, 2) float64, expected points of each class that are predicted as class 0 and as
        class 1; single sigmoids are right to a relative error of 1e-14.
    """
    found = np.zeros((len(sharpness), len(odds), labels.shape[1], 2))
    _fill(np.ascontiguousarray(odds), np.ascontiguousarray(labels.T), sharpness, found)
    return found


@jit()
def _fill(odds: Any, labels: Any, sharpness: Any, found: Any) -> None:
    m, n = odds.shape
    rounded, powers, firsts, seconds = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    integers = rounded.view(np.int64)
    for row in range(m):
        z = odds[row]
        for place in range(len(sharpness)):
            T = sharpness[place]
            if np.isinf(T):
                _steps(z, firsts, seconds)
            else:
                _exponentials(z, T, rounded, powers)
                _scale(integers)
                _sigmoids(z, powers, rounded, firsts, seconds)
            for label in range(len(labels)):
                found[place, row, label, 0] = _product(firsts, labels[label])
                found[place, row, label, 1] = _product(seconds, labels[label])


@jit()
def _steps(z: Any, firsts: Any, seconds: Any) -> None:
    for i in range(len(z)):
        seconds[i] = 1.0 if z[i] > 0 else 0.0
        firsts[i] = 1.0 - seconds[i]


@jit()
def _exponentials(z: Any, T: Any, rounded: Any, powers: Any) -> None:
    """exp(-|T z|) = 2^-k · power, with k in the lowest bits of ``rounded``."""
    c = _COEFFICIENTS
    for i in range(len(z)):
        a = min(abs(T * z[i]), _LARGEST)
        t = a * _LOG2E + _ROUND
        rounded[i] = t
        k = t - _ROUND
        x = k * _LN2_HIGH - a + k * _LN2_LOW
        high = c[7] + x * (c[8] + x * (c[9] + x * (c[10] + x * (c[11] + x * c[12]))))
        powers[i] = c[0] + x * (
            c[1] + x * (c[2] + x * (c[3] + x * (c[4] + x * (c[5] + x * (c[6] + x * high)))))
        )


@jit()
def _scale(integers: Any) -> None:
    """2^-k in the place of each k: the bits of the exponent."""
    for i in range(len(integers)):
        integers[i] = _ONE - (integers[i] << 52)


@jit()
def _sigmoids(z: Any, powers: Any, scales: Any, firsts: Any, seconds: Any) -> None:
    for i in range(len(z)):
        r = powers[i] * scales[i]
        p = 1.0 / (1.0 + r)
        seconds[i] = p if z[i] > 0 else r * p
        firsts[i] = r * p if z[i] > 0 else p


@jit(fastmath={"reassoc", "contract"})
def _product(a: Any, b: Any) -> Any:
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total
