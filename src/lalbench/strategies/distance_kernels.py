"""Compiled loops over single-precision rows: distances from differences, and hashes of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.jit import jit
from lalbench.strategies.base import FloatArray, IntArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def lower(
    points: NDArray[np.float32],
    first: IntArray,
    centres: NDArray[np.float32],
    second: IntArray,
    found: FloatArray,
) -> None:
    """Lowers ``found`` (n,) to the least squared distance of ``points[first[k]]`` (n, D) to
    ``centres[second[k]]`` (m, D), differences and sums in float64.

    The order of each sum is set by D alone: a pair has one distance, wherever it stands.
    """
    _lower(np.ascontiguousarray(points), first, np.ascontiguousarray(centres), second, found)


def hash_rows(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(n,) 64-bit hashes of the rows of (n, m) words."""
    found = np.empty(len(words), dtype=np.uint64)
    _hash_rows(words, found)
    return found


# One loop for all distances: compiled twice, a sum might be added up in two orders.
@jit(borrows=True, fastmath=("reassoc", "contract"))
def _lower(points: Any, first: Any, centres: Any, second: Any, found: Any) -> None:
    for k in range(len(first)):
        one, other = points[first[k]], centres[second[k]]
        gap = 0.0
        for j in range(len(one)):
            difference = np.float64(one[j]) - np.float64(other[j])
            gap += difference * difference
        found[first[k]] = min(found[first[k]], gap)


@jit(borrows=True)
def _hash_rows(words: Any, found: Any) -> None:
    for i in range(words.shape[0]):
        total = np.uint64(0)
        for j in range(words.shape[1]):
            z = (words[i, j] + np.uint64(1)) * _GOLDEN + np.uint64(j) * _SECOND
            z = (z ^ (z >> np.uint64(30))) * _FIRST
            z = (z ^ (z >> np.uint64(27))) * _SECOND
            total += z ^ (z >> np.uint64(31))
        found[i] = total
