"""Squared Euclidean distances: exact nearest ones at the speed of a matrix product.

Rows in float64 (features of tabular classifiers) go through NumPy; rows in float32 or float16
(embeddings of networks) through float32 products on the device in force
(:mod:`lalbench.strategies.single_distances`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lalbench.strategies.base import FloatArray, IntArray

_BLOCK = 2**20
"""Numbers in a temporary array (8 MiB)."""


def squared_distances_to(points: NDArray[Any], centres: NDArray[Any]) -> FloatArray:
    """(n,) squared distances, from the differences, of the rows of ``points`` (n, D) to one centre
    (D,), or for float64 each to its own (n, D).
    """
    if points.dtype != np.float64:
        from lalbench.strategies import single_distances

        return single_distances.squared_distances_to(points, centres)
    difference = points - centres
    found: FloatArray = np.einsum("ij,ij->i", difference, difference)
    return found


def nearest_squared_distances(points: NDArray[Any], centres: NDArray[Any]) -> FloatArray:
    """(n,) float64 squared distance of each point to its nearest centre.

    A matrix product finds the centres that may be nearest, within its rounding error; only those
    distances are then computed from differences. So the result is that of the plain double loop, to
    the last bit, and depends on neither block sizes nor the number of cores.

    Args:
        points: (n, D) floats.
        centres: (m, D) floats, m ≥ 1.
    """
    if points.dtype != np.float64:
        from lalbench.strategies import single_distances

        return single_distances.nearest_squared_distances(points, centres)
    shift = centres.mean(axis=0)
    near = centres - shift
    near_norms = np.einsum("ij,ij->i", near, near)
    found = np.empty(len(points))
    for rows in row_blocks(len(points), len(centres)):
        block = points[rows]
        first, second = _may_be_nearest(block - shift, near, near_norms)
        smallest = np.full(len(block), np.inf)
        for pairs in row_blocks(len(first), points.shape[1]):
            one, other = first[pairs], second[pairs]
            np.minimum.at(smallest, one, squared_distances_to(block[one], centres[other]))
        found[rows] = smallest
    return found


def expanded_distances(points: NDArray[Any], centres: NDArray[Any]) -> FloatArray:
    """(n,) distance of each point to its nearest centre by ``‖x‖² + ‖c‖² - 2 x·c``.

    scikit-learn's arithmetic, which released code uses: rounding decides between distances that are
    equal in exact arithmetic, as many are on binary features. float64 in one product, as there;
    other types in blocks.
    """
    from sklearn.metrics import pairwise_distances

    whole = [slice(None)]
    parts = whole if points.dtype == np.float64 else row_blocks(len(points), len(centres))
    found = [pairwise_distances(points[rows], centres).min(axis=1) for rows in parts]
    return np.concatenate(found).astype(np.float64, copy=False)


def squared_distances(points: FloatArray, centres: FloatArray) -> FloatArray:
    """(n, m) squared distances, from the differences; meant for blocks of points."""
    from scipy.spatial.distance import cdist

    found: FloatArray = cdist(points, centres, "sqeuclidean")
    return found


def row_blocks(n_rows: int, width: int) -> list[slice]:
    """Slices of rows such that a block of ``width`` columns stays small."""
    rows = max(1, _BLOCK // max(1, width))
    return [slice(start, start + rows) for start in range(0, n_rows, rows)]


def _may_be_nearest(
    points: FloatArray, centres: FloatArray, centre_norms: FloatArray
) -> tuple[IntArray, IntArray]:
    """Pairs (point, centre) whose distance may be the point's smallest, despite rounding."""
    norms = np.einsum("ij,ij->i", points, points)
    approximate = norms[:, None] + centre_norms - 2.0 * (points @ centres.T)
    # Twice the usual bound of an inner product of length D, for shift, norms and product each.
    unit = float(np.finfo(np.float64).eps)
    error = 8 * (points.shape[1] + 8) * unit * (norms[:, None] + centre_norms)
    ceiling = (approximate + error).min(axis=1, keepdims=True)
    first, second = np.nonzero(approximate - error <= ceiling)
    return first, second
