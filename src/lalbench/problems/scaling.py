"""Scaling of features, ``(x - mean) / scale``, and of pixels (``docs/protocols.md`` [3]).

Images stay bytes here: features are made of them a block at a time, and the blocks are laid so that
every sum has the bits it has over the whole matrix.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lalbench.data.dataset import Dataset

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Method = Literal["scalar_all", "per_feature"]

BLOCK = 1 << 22
"""Features that are looked at together: 32 MiB of float64."""


@dataclass(frozen=True, eq=False)
class Scaler:
    """A fitted scaling.

    Attributes:
        mean: () or (d,) float64 subtracted from every row.
        scale: () or (d,) float64, positive; every row is divided by it.
    """

    mean: FloatArray
    scale: FloatArray

    def __call__(self, X: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """Scaled copy of ``X`` (n, d), or ``out``, which may be ``X`` itself."""
        scaled: FloatArray = np.subtract(X, self.mean, out=out)
        scaled /= self.scale
        return scaled


@dataclass(frozen=True, eq=False)
class Scaling:
    """How features are scaled: fitted when they are wanted, which for images they seldom are.

    Attributes:
        method: ``scalar_all`` or ``per_feature``.
        rows: (m,) int64 rows of the data set that it is fitted on; sums follow their order.
    """

    method: Method
    rows: IntArray

    def fit(self, source: Dataset) -> Scaler:
        """The scaling fitted on the rows of their data set."""
        chosen = source.X[self.rows]
        X = chosen.reshape(len(chosen), source.n_features)
        return fit_scalar(X) if self.method == "scalar_all" else fit_per_feature(X)


def fit_scalar(X: NDArray[Any]) -> Scaler:
    """One mean and one standard deviation (ddof 0) over all entries of ``X``.

    A matrix of equal entries is scaled by 1, as is one whose deviation is too small for float64.

    Args:
        X: (n, d) float64 or uint8.
    """
    mean = np.asarray(X.mean(dtype=np.float64))
    constant = bool(X.min() == X.max())
    deviation = math.sqrt(_squares(np.ascontiguousarray(X).reshape(-1), float(mean)) / X.size)
    return Scaler(mean, np.asarray(1.0 if constant else deviation or 1.0))


def fit_per_feature(X: NDArray[Any]) -> Scaler:
    """Mean and standard deviation (ddof 0) of every column of ``X``.

    A constant column is centred on its value and scaled by 1; its computed deviation may be a
    rounding error instead of 0. Where squares underflow (values below 1e-160) the scale is 1, too.

    Args:
        X: (n, d) float64 or uint8.
    """
    constant = X.min(axis=0) == X.max(axis=0)
    means, deviations = [], []
    for block in _column_blocks(*X.shape):
        columns = X[:, block].astype(np.float64)
        means.append(columns.mean(axis=0))
        deviations.append(columns.std(axis=0))
    mean = np.where(constant, X[0], np.concatenate(means))
    deviation = np.concatenate(deviations)
    return Scaler(mean, np.where(constant | (deviation == 0.0), 1.0, deviation))


def pixel_statistics(source: Dataset, rows: IntArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation (ddof 0) of the pixels of some images, per channel.

    Computed from exact counts of the 256 values, so they do not depend on the order of the rows; a
    constant channel is scaled by 1.

    Args:
        source: a data set of images with C channels.
        rows: (m,) int64.

    Returns:
        (C,) float64 means and (C,) float64 positive scales, in units of pixel values 0 … 255.
    """
    moments = [_moments(counts) for counts in _histograms(source.X, np.sort(rows))]
    mean, scale = zip(*moments, strict=True)
    return np.array(mean), np.array(scale)


def _histograms(pixels: NDArray[Any], rows: IntArray) -> IntArray:
    """(C, 256) how often each value occurs in each channel of some images."""
    channels = pixels.shape[3]
    counts = np.zeros((channels, 256), dtype=np.int64)
    size = max(1, BLOCK // math.prod(pixels.shape[1:]))
    for start in range(0, len(rows), size):
        block = pixels[rows[start : start + size]].reshape(-1, channels)
        for channel in range(channels):
            counts[channel] += np.bincount(block[:, channel], minlength=256)
    return counts


def _moments(counts: IntArray) -> tuple[float, float]:
    """Mean and deviation of values 0 … 255 that occur ``counts`` times, correctly rounded."""
    n, first, second = (
        sum(int(count) * value**power for value, count in enumerate(counts)) for power in range(3)
    )
    variance = Fraction(n * second - first**2, n**2)
    return float(Fraction(first, n)), math.sqrt(variance) or 1.0


def _squares(values: NDArray[Any], mean: float) -> float:
    """Sum of ``(values - mean)**2``, with the bits of NumPy's sum over all of them.

    NumPy adds a contiguous array pairwise: it halves it, at a multiple of eight, down to short
    runs. Halving it here in the same way leaves every addition in its place.
    """
    if values.size > BLOCK:
        half = values.size // 2
        half -= half % 8
        return _squares(values[:half], mean) + _squares(values[half:], mean)
    centred = values - mean
    return float(np.multiply(centred, centred, out=centred).sum())


def _column_blocks(n: int, d: int) -> Iterator[slice]:
    """Slices of the columns of an (n, d) matrix, of :data:`BLOCK` entries and two columns at least.

    Sums along columns run row after row and so do not depend on their neighbours; a single column
    would be added pairwise instead.
    """
    width = max(2, BLOCK // n)
    edges = [*range(0, max(1, d - width + 1), width), d]
    yield from (slice(start, end) for start, end in pairwise(edges))
