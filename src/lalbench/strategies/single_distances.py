"""Distances between rows in float32 or float16: embeddings of networks, up to a million of them.

Products run in float32 on the device in force (:func:`lalbench.compute.current`), in blocks; the
distances that are returned are computed from differences in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lalbench import interrupts
from lalbench.strategies.base import FloatArray, IntArray

if TYPE_CHECKING:
    import torch

_BLOCK = {"cpu": 2**22, "cuda": 2**27}
"""Numbers in a temporary array, by kind of device."""


def squared_distances_to(points: NDArray[Any], centre: NDArray[Any]) -> FloatArray:
    """(n,) squared distances of the rows of ``points`` (n, D) to one centre (D,)."""
    from lalbench.strategies.distance_kernels import lower

    found = np.full(len(points), np.inf)
    everyone, only = np.arange(len(points)), np.zeros(len(points), dtype=np.int64)
    lower(single(points), everyone, single(centre)[None], only, found)
    return found


def nearest_squared_distances(points: NDArray[Any], centres: NDArray[Any]) -> FloatArray:
    """(n,) squared distance of each point to its nearest centre, that of a plain double loop.

    A product in float32 finds the centres that may be nearest, within the bound on its rounding
    error (Higham 2002, section 3.1); only those distances are computed. So the result depends on
    neither blocks nor device.

    Args:
        points: (n, D) float32 or float16.
        centres: (m, D), likewise, m ≥ 1.
    """
    from lalbench.strategies.distance_kernels import lower

    centres = _distinct(single(centres))
    found = np.full(len(points), np.inf)
    for rows, block, approximate, error in _blocks(points, centres, None):
        first, second = _may_be_nearest(approximate, error)
        inside = found[rows]
        lower(block, first, centres, second, inside)
        found[rows] = inside
    return found


def log_gaussian_sums(
    points: NDArray[Any], centres: NDArray[Any], delta: float, order: IntArray
) -> FloatArray:
    """(n,) ``log Σ_l exp(-‖points_i - centres_l‖² / delta)``, distances in float32.

    Args:
        points: (n, D) float32 or float16.
        centres: (m, D), likewise, m ≥ 1.
        delta: width.
        order: (n,) order in which points go through the products. Rounding depends on it, so an
            order by row id makes the sums independent of the order of the pool.
    """
    import torch

    found = np.empty(len(points))
    for rows, block, product, _ in _blocks(points, single(centres), order):
        norms = torch.from_numpy(np.einsum("ij,ij->i", block, block)).to(product.device)
        exponents = product.add_(norms[:, None]).clamp_min_(0).mul_(-1.0 / delta)
        largest = exponents.amax(dim=1, keepdim=True)
        total = exponents.sub_(largest).exp_().sum(dim=1, dtype=torch.float64).log_()
        found[rows] = total.add_(largest[:, 0]).cpu().numpy()
    return found


def representatives(hashes: NDArray[np.uint64], ids: IntArray) -> IntArray:
    """(n,) position of the row with the smallest id among those that equal this one.

    Rounding can tell equal rows apart by their place in a matrix product. Giving each the value of
    its representative makes them equal again.

    Args:
        hashes: (n,) of the rows (:func:`row_hashes`); equal ones count as equal rows.
        ids: (n,) distinct row ids.
    """
    order = np.lexsort((ids, hashes))
    starts = np.append(True, hashes[order][1:] != hashes[order][:-1])
    found = np.empty(len(order), dtype=np.int64)
    found[order] = order[starts][np.cumsum(starts) - 1]
    return found


def row_hashes(rows: NDArray[Any]) -> NDArray[np.uint64]:
    """(n,) hashes of the rows of a matrix; 0.0 and -0.0 count as equal."""
    from lalbench.strategies.distance_kernels import hash_rows
    from lalbench.strategies.distances import row_blocks

    words = np.dtype(f"u{rows.dtype.itemsize}")
    found = np.empty(len(rows), dtype=np.uint64)
    for part in row_blocks(len(rows), rows.shape[1]):
        block = rows[part] + 0.0 if rows.dtype.kind == "f" else rows[part]
        bits = np.ascontiguousarray(block.astype(rows.dtype, copy=False)).view(words)
        found[part] = hash_rows(bits.astype(np.uint64))
    return found


def single(points: NDArray[Any]) -> NDArray[np.float32]:
    """The same numbers in float32; no copy of what is float32 already."""
    return np.ascontiguousarray(points, dtype=np.float32)


def _distinct(centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """The different rows: copies would all have to be looked at."""
    return centres[np.sort(np.unique(row_hashes(centres), return_index=True)[1])]


def _blocks(
    points: NDArray[Any], centres: NDArray[np.float32], order: IntArray | None
) -> Iterator[tuple[Any, NDArray[np.float32], torch.Tensor, NDArray[np.float32]]]:
    """Blocks of points: which, themselves, ``‖c‖² - 2 x·c`` (B, m) on the device, and a bound (B,)
    on the rounding error of that. Points and centres are moved by the centres' mean before; with an
    order the second item is what was multiplied, else the points as they are.
    """
    import torch

    from lalbench.strategies.tensors import torch_session

    shift = centres.mean(axis=0, dtype=np.float64).astype(np.float32)
    with torch_session() as device:
        moved = torch.from_numpy(centres - shift).to(device)
        norms = (moved.double() ** 2).sum(dim=1)
        unit = 2.0**-24 * (points.shape[1] + 16)
        largest = float(norms.max())
        size = max(1, _BLOCK[device.type] // max(len(centres), points.shape[1]))
        for start in range(0, len(points), size):
            interrupts.check()
            rows = slice(start, start + size) if order is None else order[start : start + size]
            block = single(points[rows])
            near = block - shift
            product = torch.addmm(
                norms.float(), torch.from_numpy(near).to(device), moved.T, alpha=-2.0
            )
            own = np.einsum("ij,ij->i", near, near)
            error = (2.0 * unit * (np.sqrt(own * largest) + largest + own)).astype(np.float32)
            yield rows, block if order is None else near, product, error


def _may_be_nearest(
    approximate: torch.Tensor, error: NDArray[np.float32]
) -> tuple[IntArray, IntArray]:
    """Pairs (point, centre) whose distance may be the point's smallest."""
    import torch

    smallest, index = approximate.min(dim=1)
    ceiling = smallest + 2.0 * torch.from_numpy(error).to(smallest.device)
    approximate.scatter_(1, index[:, None], torch.inf)
    several = (approximate.amin(dim=1) <= ceiling).nonzero()[:, 0]
    point, centre = (approximate[several] <= ceiling[several, None]).nonzero().T
    everyone = torch.arange(len(index), device=index.device)
    first, second = torch.cat([everyone, several[point]]), torch.cat([index, centre])
    return first.cpu().numpy(), second.cpu().numpy()
