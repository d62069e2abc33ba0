"""Rows of an image array: chosen, sliced and passed on without copying a pixel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


class Images:
    """Images of a larger array, by their rows; a pixel is copied only by :meth:`take`.

    Indexing with a slice, a mask or positions gives another view of the same array, so that parts
    of a problem share the (usually memory-mapped) array of their data set, and a network can keep
    that array on its device once.

    Args:
        pixels: (N, height, width, channels) uint8, all images of the data set; never written to.
        rows: (n,) int64 which of them, in order; all of them by default.

    Raises:
        ValueError: pixels of another shape or type.
    """

    ndim = 4
    dtype = np.dtype(np.uint8)

    def __init__(self, pixels: NDArray[np.uint8], rows: IntArray | None = None) -> None:
        if pixels.ndim != 4 or pixels.dtype != np.uint8:
            raise ValueError(f"images must be (n, H, W, C) uint8: {pixels.shape} {pixels.dtype}")
        self.pixels = pixels
        self.rows = np.arange(len(pixels)) if rows is None else np.asarray(rows, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, height, width, channels)."""
        return (len(self.rows), *self.pixels.shape[1:])  # type: ignore[return-value]

    def __getitem__(self, index: Any) -> Images:
        return Images(self.pixels, np.atleast_1d(self.rows[index]))

    def take(self) -> NDArray[np.uint8]:
        """(n, height, width, channels) uint8 copy."""
        return np.asarray(self.pixels[self.rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("images cannot become an array without a copy")
        return self.take() if dtype is None else self.take().astype(dtype)

    def blocks(self, size: int) -> Iterator[Images]:
        """The same images in views of at most ``size``."""
        for start in range(0, len(self), size):
            yield self[start : start + size]
